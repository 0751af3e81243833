"""The table of pages: chapter, file name (which is the URL), title, what of the lecture it shows. Order is the menu's."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "pages"


@dataclass(frozen=True)
class Page:
    """One page: `name` is the file in `pages/`, `lecture` the ids of the systems it shows, `claim` what it lets one see."""

    name: str
    title: str
    icon: str
    lecture: str = ""
    claim: str = ""
    default: bool = False

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.py"


FOOL = Page(
    "fool",
    "Fool a classifier",
    ":material/visibility_off:",
    lecture="B1",
    claim="A change of 1/255 in every pixel, too small to see, changes what a network is sure it sees.",
)

ATTACKS = Page(
    "attacks",
    "Step by step",
    ":material/footprint:",
    lecture="B1, B2",
    claim="An attack is a walk: see each step, what the gradient said and what the ball forbade, and what survives a defence.",
)

TRANSLATE = Page(
    "translate",
    "Translate",
    ":material/translate:",
    lecture="A1, A2, A3, A8, A9",
    claim="To write each French word, the network looks again at the English ones. Step through it, and lay a hand on it.",
)

SCORES = Page(
    "scores",
    "Scores and heads",
    ":material/calculate:",
    lecture="A2, A8, A9",
    claim="Attention is five lines of arithmetic: type Q, K and V by hand, and see every number up to the output.",
)

HEADLINE = Page(
    "headline",
    "Headline",
    ":material/newspaper:",
    lecture="A4",
    claim="A headline, word by word: each one written from what the network knows, or copied from where it looks.",
)

SELF_ATTENTION = Page(
    "self_attention",
    "Self-attention",
    ":material/format_color_text:",
    lecture="A10",
    claim="A classifier looks at its text once, or several times, and decides. Step through the looks, and test if they mattered.",
)

MEMORY = Page(
    "memory",
    "Memory",
    ":material/history:",
    lecture="A11",
    claim="A language model writes a story word by word, looking back at its last states: see how far, and test whether it must.",
)

HEADS = Page(
    "heads",
    "Heads",
    ":material/grid_view:",
    lecture="A12",
    claim="Each head of a transformer looks at a sentence in its own way: see all of them, enlarge one, take one out.",
)

CAPTION = Page(
    "caption",
    "Caption",
    ":material/image_search:",
    lecture="A5",
    claim="A photo in words: for each word one sees where the model looked. Paint where it shall look, and the word changes.",
)

CAPTCHA = Page(
    "captcha",
    "Captcha",
    ":material/password:",
    lecture="A6",
    claim="A captcha read letter by letter, a glimpse each. Draw one that you cannot read yourself, and follow the glimpses.",
)

ASK = Page(
    "ask",
    "Ask",
    ":material/contact_support:",
    lecture="A7",
    claim="Ask a question about a picture. The network looks for the answer, and looks again, knowing what it saw.",
)

SWAY = Page(
    "attention_under_attack",
    "Attention under attack",
    ":material/visibility:",
    lecture="B1",
    claim="A change too small to see makes a captioner say something else, or look elsewhere while it says the same.",
)

ANNOTATE = Page(
    "annotate",
    "What to label next",
    ":material/label:",
    lecture="B2",
    claim="Labels are dear. Ask for those of the examples nearest to the boundary, and see whether fewer are needed.",
)

HARDEN = Page(
    "harden",
    "Harden",
    ":material/shield:",
    lecture="B3",
    claim="Train on what fools you: a network that learns from adversarial examples as it learns, and what that is worth.",
)

SMOOTH = Page(
    "smooth",
    "Smooth without labels",
    ":material/blur_on:",
    lecture="B4",
    claim="Eight labels, and points without any: an answer that may not change under the worst small push goes round the moons.",
)

WORDS = Page(
    "words",
    "Words under attack",
    ":material/find_replace:",
    lecture="B1",
    claim="A word is replaced by one that is near to it, and the network changes its mind. See which word, and where it looked.",
)

GENERATE = Page(
    "generate",
    "Generate",
    ":material/auto_awesome:",
    lecture="B5",
    claim="One network makes, another judges, and each learns from the other: see points, digits and sounds come out of noise.",
)

ADAPT = Page(
    "adapt",
    "Adapt",
    ":material/swap_horiz:",
    lecture="B6",
    claim="A judge guesses where each example is from; its gradient, turned round, makes the features forget it.",
)

DIFFICULTIES = Page(
    "difficulties",
    "Difficulties",
    ":material/warning:",
    lecture="B7",
    claim="An adversary can bring nothing, confuse, or cure a bias: see each failure, and what mends it.",
)


PAGES: dict[str, list[Page]] = {
    "": [Page("home", "Attend & Attack", ":material/home:", default=True)],
    "Attention": [
        TRANSLATE,
        HEADLINE,
        SELF_ATTENTION,
        MEMORY,
        SCORES,
        HEADS,
        CAPTION,
        CAPTCHA,
        ASK,
    ],
    "Adversarial learning": [FOOL, ATTACKS, SWAY, WORDS, ANNOTATE, HARDEN, SMOOTH, GENERATE, ADAPT, DIFFICULTIES],
}
