"""What every test shares: shapes are checked while testing, and the one real network is loaded once."""

import os

# Before torch is imported: its threads shall spin only briefly while they wait. Small networks on a busy machine are tested four times
# as fast, because threads that spin take the cores from those that work.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import jaxtyping
import pytest
import torch

# Before `attacks` or `models` is imported: from here on every shape and type in a signature is checked at every call.
# (An int is good where a float is wanted, as everywhere in Python.)
jaxtyping.install_import_hook(
    ["attacks", "models"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

from models import zoo  # noqa: E402
from models.classifier import Classifier  # noqa: E402
from models.picture import gallery, gallery_picture, to_pixels  # noqa: E402

torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)  # two of pytest's own processes share two cores


@pytest.fixture(scope="session")
def lite0() -> Classifier:
    """The embedded network. Shared: leave it as it is."""
    return zoo.load("efficientnet_lite0")


@pytest.fixture(scope="session")
def photographs() -> torch.Tensor:
    """The pictures of the gallery as the network sees them, (10, 3, 224, 224). Shared: leave them as they are."""
    return torch.cat([to_pixels(gallery_picture(key), 224) for key in gallery()])
