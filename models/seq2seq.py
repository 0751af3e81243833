r"""Sequence to sequence with attention: the encoder–decoder of the lecture's first slides, word by word.

A bidirectional GRU reads the source, $\bar h_s$; a GRU writes the target, $h_t$. Each $h_t$ scores the $\bar h_s$, the weights
$\alpha_{ts}$ make the context $c_t = \sum_s \alpha_{ts} \bar h_s$, and the attention vector $a_t = \tanh(W_c[c_t; h_t])$ decides
the word. Luong 2015 (global attention, without input feeding: so the decoder's states do not depend on what it looked at, and a
whole sentence trains in one call); the score `perceptron` and the bidirectional encoder are Bahdanau 2014. With the score `none`,
$c_t$ is the same for every word: the last states of both readers, Cho 2014's fixed vector.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.attention import SCORES, Attention, attend
from models.decoder import Decoder, Hand, Memory, State, Step, untouched
from models.words import BEGIN, UNKNOWN, Vocabulary

NONE = "none"


class Seq2Seq(Decoder):
    """One encoder–decoder. Everything that the page shows is returned by the methods, one a line of the lecture.

    Args:
        score: a name in `models.attention.SCORES`, or `none` for the fixed vector.
        source_words, target_words: the sizes of the vocabularies.
        d_word: numbers a word (source and target embedding; $a_t$ too, because the target embedding is also the output layer).
        d: numbers a state, $\bar h_s$ and $h_t$ (half of it for each direction of the encoder).
        dropout: the share dropped of the embeddings, of $\bar h_s$ and of $a_t$ while training.
    """

    def __init__(
        self, score: str, source_words: int, target_words: int, d_word: int = 256, d: int = 512, dropout: float = 0.4
    ):
        super().__init__()
        self.source_embedding = nn.Embedding(source_words, d_word)
        self.target_embedding = nn.Embedding(target_words, d_word)
        self.encoder = nn.GRU(d_word, d // 2, batch_first=True, bidirectional=True)
        self.W_0 = nn.Linear(d, d)
        self.decoder = nn.GRU(d_word, d, batch_first=True)
        self.score = None if score == NONE else SCORES[score](d, d)
        self.W_c = nn.Linear(2 * d, d_word)
        self.b = nn.Parameter(torch.zeros(target_words))
        self.dropout = nn.Dropout(dropout)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=0.1)

    def encode(
        self, source: Int[Tensor, "batch source"]
    ) -> tuple[Float[Tensor, "batch source d"], Float[Tensor, "batch d"]]:
        r"""$\bar h_s$ for every word of the source, and the fixed vector: the last state of each direction. No padding, please."""
        return self.encode_embedded(self.embed(source))

    def embed(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source d_word"]:
        """$x_s$: the embedding of every word of the source."""
        return self.source_embedding(source)

    def encode_embedded(
        self, x: Float[Tensor, "batch source d_word"]
    ) -> tuple[Float[Tensor, "batch source d"], Float[Tensor, "batch d"]]:
        """`encode` from the words' embeddings on: what a gradient with respect to them needs."""
        h_bar, ends = self.encoder(self.dropout(x))
        return self.dropout(h_bar), ends.transpose(0, 1).flatten(1)

    def begin(self, fixed: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        r"""$h_0 = \tanh(W_0\, [\overrightarrow{h}_S; \overleftarrow{h}_1])$."""
        return torch.tanh(self.W_0(fixed))

    def states(
        self, words: Int[Tensor, "batch target"], h: Float[Tensor, "batch d"]
    ) -> tuple[Float[Tensor, "batch target d"], Float[Tensor, "batch d"]]:
        """$h_t$ after each of `words`, having begun at `h`; and the last of them."""
        h_t, end = self.decoder(self.dropout(self.target_embedding(words)), h.unsqueeze(0))
        return h_t, end.squeeze(0)

    def read(
        self,
        h_t: Float[Tensor, "batch target d"],
        h_bar: Float[Tensor, "batch source d"],
        fixed: Float[Tensor, "batch d"],
    ) -> Attention:
        r"""Scores, weights $\alpha_{ts}$ and context $c_t$; without attention no scores, no weights and the fixed vector."""
        if self.score is None:
            nothing = h_t.new_zeros(*h_t.shape[:2], 0)
            return Attention(nothing, nothing, fixed.unsqueeze(1).expand(-1, h_t.shape[1], -1))
        return attend(h_t, h_bar, h_bar, self.score)

    def attention_vector(
        self, c_t: Float[Tensor, "batch target d"], h_t: Float[Tensor, "batch target d"]
    ) -> Float[Tensor, "batch target d_word"]:
        r"""$a_t = \tanh(W_c [c_t; h_t])$. Luong 2015, eq. 5."""
        return torch.tanh(self.W_c(torch.cat([c_t, h_t], dim=-1)))

    def logits(self, a_t: Float[Tensor, "batch target d_word"]) -> Float[Tensor, "batch target words"]:
        r"""$E\, a_t + b$: how well each word of the target fits; $p(y_t) = \text{softmax}$ of it. Luong 2015, eq. 6."""
        return nn.functional.linear(self.dropout(a_t), self.target_embedding.weight, self.b)

    def next_word(
        self,
        read: Attention,
        h_t: Float[Tensor, "batch target d"],
        words: Int[Tensor, "batch target"],  # noqa: ARG002 - a network that copies asks for both
        source: Int[Tensor, "batch source"],  # noqa: ARG002
    ) -> Float[Tensor, "batch target words"]:
        """The logits of the word after each of `words`, once `read`: what a search asks for."""
        return self.logits(self.attention_vector(read.context, h_t))

    def remember(self, source: Int[Tensor, "batch source"]) -> Memory:
        h_bar, fixed = self.encode(source)
        return {"h_bar": h_bar, "fixed": fixed, "source": source}

    def start(self, memory: Memory) -> State:
        return (self.begin(memory["fixed"]),)

    def step(self, words: Int[Tensor, "batch 1"], state: State, memory: Memory, hand: Hand = untouched) -> Step:
        h_t, h = self.states(words, *state)
        read = hand(self.read(h_t, memory["h_bar"], memory["fixed"]), memory["h_bar"])
        logits = self.next_word(read, h_t, words, memory["source"]).squeeze(1)
        a_t = self.attention_vector(read.context, h_t)
        return Step((h,), read, logits, {"h": h_t, "c": read.context, "a": a_t})

    def attention_vectors(
        self, source: Int[Tensor, "batch source"], words: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target d_word"]:
        """$a_t$ after each of `words` (which begin with `BEGIN`): the whole target in one call."""
        return self.attention_vectors_embedded(self.embed(source), words)

    def attention_vectors_embedded(
        self, x: Float[Tensor, "batch source d_word"], words: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target d_word"]:
        """`attention_vectors` from the embeddings of the source on."""
        h_bar, fixed = self.encode_embedded(x)
        h_t, _ = self.states(words, self.begin(fixed))
        return self.attention_vector(self.read(h_t, h_bar, fixed).context, h_t)

    def forward(
        self, source: Int[Tensor, "batch source"], words: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target words"]:
        """The logits of the word after each of `words`."""
        return self.logits(self.attention_vectors(source, words))


@torch.no_grad()
def spell(
    model: Seq2Seq, source: Int[Tensor, "1 source"], words: list[int], tokens: list[str], vocabulary: Vocabulary
) -> list[str]:
    """Words for numbers; for an unknown one the source token it looked at most (Luong 2015, section 4.1), if it looked at any."""
    written = [vocabulary.words[word] for word in words]
    if model.score is None or UNKNOWN not in words:
        return written
    h_bar, fixed = model.encode(source)
    h_t, _ = model.states(source.new_tensor([[BEGIN, *words[:-1]]]), model.begin(fixed))
    looked_at = model.read(h_t, h_bar, fixed).weights[0, :, : len(tokens)].argmax(-1).tolist()
    return [tokens[looked_at[t]] if word == UNKNOWN else written[t] for t, word in enumerate(words)]
