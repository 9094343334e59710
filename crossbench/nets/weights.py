"""What a network starts from: the file that an init names, and its way into the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import WeightsError
from crossbench.nets import hub
from crossbench.nets.checkpoint import existing, read_about, read_tensors
from crossbench.nets.fit import compare, misfit

if TYPE_CHECKING:
    from torch import Tensor, nn

    from crossbench.methods import Method
    from crossbench.nets.checkpoint import About

RANDOM = "random"

_USUAL_STEMS = ("model", "pytorch_model")  # of files that only their repository tells apart


def resolve_init(init: str | Path, method: Method) -> str | Path:
    """Where the weights that an init names lie; what is not here yet is fetched.

    Args:
        init: ``random``; a known name, such as ``in1k``; ``hf:REPO/FILE@REV``; or a file's path.
        method: Whose layers a named file has to fit.

    Returns:
        ``random``, or the path of a file.

    Raises:
        WeightsError: If there is no such file, it cannot be fetched, or it is not what was
            pinned.
        RequestError: If a file of the hub is not of the form above.
    """
    if init == RANDOM:
        return RANDOM
    if isinstance(init, str) and init.startswith(hub.HUB_PREFIX):
        return hub.fetch(hub.hub_file(init))
    if init in {each.name for each in hub.known_weights()}:
        return hub.fetch(hub.find_known(str(init), method))
    return existing(init)


def init_name(init: str | Path) -> str:
    """The name that views show: ``random``, a known name, or the file's without its ending.

    A file of the hub that is called what most are called has its repository's name.
    """
    if isinstance(init, str) and init.startswith(hub.HUB_PREFIX):
        weights = hub.hub_file(init)
        stem = Path(weights.file).stem
        return Path(weights.repo).name if stem in _USUAL_STEMS else stem
    return RANDOM if init == RANDOM else Path(init).stem


def init_hash(init: str | Path) -> str:
    """SHA-256 of the checkpoint file; ``random`` for random weights.

    Args:
        init: What :func:`resolve_init` returns.

    Raises:
        WeightsError: If there is no such file.
    """
    return RANDOM if init == RANDOM else hub.hash_once(existing(init))


# ------------------------------------------------------------------------ into the network


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint file's content.

    Attributes:
        path: The file.
        tensors: By key.
        about: What it says of itself; None for one from elsewhere.
    """

    path: Path
    tensors: dict[str, Tensor]
    about: About | None

    @property
    def dims(self) -> int | None:
        """Of the network that it says it is of; None if it does not say."""
        return self.about.dims if self.about is not None else None

    def misfit(self, network: nn.Module, dims: int) -> str:
        """Why it does not fit a network of ``dims`` dimensions; empty where it does."""
        if self.dims not in (None, dims):
            return f"it holds a {self.dims}D network, which a {dims}D one does not take"
        return misfit(network, self.tensors, dims)

    def load(self, network: nn.Module) -> None:
        """Put every tensor but the classifier's into a network that it fits."""
        states = compare(network, self.tensors)
        carried = {key: self.tensors[key] for key in states if states[key] == "carried"}
        network.load_state_dict(carried, strict=False)


def read_checkpoint(init: str | Path) -> Checkpoint:
    """Read a checkpoint file.

    Args:
        init: Its path, as :func:`resolve_init` returns it.

    Raises:
        WeightsError: If the file is missing or unreadable.
    """
    path = existing(init)
    return Checkpoint(path=path, tensors=read_tensors(path), about=read_about(path))


def load_weights(network: nn.Module, init: str | Path, *, dims: int = 2) -> None:
    """Load a checkpoint into a network; all but the classifier must be there, and fit.

    Args:
        network: A timm network, with a method's layers.
        init: A ``.safetensors`` file, or a ``.pth`` file holding a state dict or one under
            the key ``model``. The prefixes of torch.compile and DistributedDataParallel are
            stripped, and the checkpoint's classifier is ignored.
        dims: Of the network: 2 or 3.

    Raises:
        WeightsError: If the file is missing or unreadable, is of a network of other
            dimensions, or a key is missing, unexpected, of another shape, or not finite.
    """
    checkpoint = read_checkpoint(init)
    reason = checkpoint.misfit(network, dims)
    if reason:
        raise WeightsError(f"{checkpoint.path}: {reason}")
    checkpoint.load(network)
