r"""From an uploaded file to its caption with every map, beside a ViT-GPT2 of the published size (its weights drawn at random).

    .venv/bin/python -m benchmarks.caption [options]

Ours is what the page does: the file is read and checked, the CNN runs once, three beams write, and the trace tells all. The peer
gets pixels, writes as many words with as many beams by transformers' own `generate`, and then tells its cross-attentions.
"""

import io
from functools import partial
from typing import Any

import torch
from PIL import Image

from benchmarks.timing import Runs, load, machine, options, race, table, write
from models import zoo
from models.captioning import PictureWriter
from models.picture import gallery_picture, read_picture, to_pixels, whole
from models.trace import Trace

BEAM = 3
SIZE = (1200, 1600)  # height and width of the photo


def uploaded(key: str) -> bytes:
    """A photo of the gallery as a phone would send it: JPEG, two megapixels."""
    image = Image.fromarray(gallery_picture(key).pixels).resize(SIZE[::-1])
    memory = io.BytesIO()
    image.save(memory, "JPEG", quality=90)
    return memory.getvalue()


def ours(model: PictureWriter, file: bytes) -> Trace:
    return model.write(whole(read_picture(file, "photo.jpg")), beam=BEAM)


def ours_again(model: PictureWriter, features: torch.Tensor) -> Trace:
    """What a touch or another beam costs: the CNN does not run again."""
    return model.write_from(features, beam=BEAM)


def vit_gpt2() -> Any:
    """The network of nlpconnect/vit-gpt2-image-captioning as transformers builds it, nothing learned."""
    import transformers

    writing = transformers.GPT2Config()
    writing.add_cross_attention = writing.is_decoder = True
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(transformers.ViTConfig(), writing)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 50256, 50256, None
    return transformers.VisionEncoderDecoderModel(config=config).eval()


@torch.no_grad()
def peer(model: Any, x: torch.Tensor, words: int) -> Any:
    written = model.generate(
        pixel_values=x, num_beams=BEAM, do_sample=False, min_new_tokens=words, max_new_tokens=words
    )
    return model(pixel_values=x, decoder_input_ids=written[:, :-1], output_attentions=True)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--picture", default="chelsea", help="of the gallery")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 2
    torch.set_num_threads(arguments.threads)
    report: dict[str, Any] = {"machine": machine(arguments.threads), "load_at_start": load()}
    print(f"{report['machine']}\nload at start {report['load_at_start']}")
    model, file = zoo.captioner(), uploaded(arguments.picture)
    with torch.no_grad():
        features = model.features(whole(read_picture(file, "photo.jpg")))
    words, x = len(ours(model, file).target), to_pixels(gallery_picture(arguments.picture), 224)
    runs: Runs = {
        "file to caption with its maps": partial(ours, model, file),
        "the same, once the CNN has looked": partial(ours_again, model, features),
        "ViT-GPT2, pixels to caption with its maps": partial(peer, vit_gpt2(), x, words),
    }
    _, times = race(runs, arguments.rounds)
    least = next(iter(times.values()))
    rows = [[name, time.text(1000, 0), time.over(least).text(1, 2)] for name, time in times.items()]
    table(f"{arguments.picture}, {words} steps, beam of {BEAM}", ["", "ms", "over ours"], rows)
    report["caption"] = {
        name: {"seconds": time.json(), "over_ours": time.over(least).json()} for name, time in times.items()
    }
    report["load_at_end"] = load()
    print(f"\nload at end {report['load_at_end']}")
    write(arguments.json, report)


if __name__ == "__main__":
    main()
