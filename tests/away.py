"""A device that is not the CPU, on a machine that has nothing else: who mixes the two is refused, as CUDA refuses it.

A GPU says "Expected all tensors to be on the same device" where a function makes a tensor and forgets the device of
its arguments. On a CPU nothing says it, so such a fault lives until somebody with a GPU meets it. Here `away:0` is a
device of PyTorch's own kind for backends that are not built in ("privateuseone"), written in Python: an `_Away` tensor
holds a CPU tensor and says that it is elsewhere. Two modes see every operation: one the calls of `aten`, where the work
is done on what is held, the other those few functions of torch that never get there.

What is drawn comes from the CPU's stream. So a function must give the CPU's result to the last bit, draws and all,
which no GPU can be asked for. What a GPU computes otherwise (other kernels, other sums) is not seen here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

READY = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")  # a new PyTorch can do it from Python
CPU = torch.device("cpu")
aten = torch.ops.aten
MOVES = (aten._to_copy.default, aten.copy_.default, aten.copy.default)  # these join two devices on purpose
# CUDA takes an index from the CPU, and of single numbers what an elementwise operation or these can do with one.
BY_INDEX = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
RECURRENT = ("gru", "lstm", "rnn_tanh", "rnn_relu", "gru_cell", "lstm_cell")
TAKE_A_NUMBER = (aten.masked_fill, aten.masked_fill_, aten.fill, aten.fill_, aten.index_fill, aten.index_fill_)


@contextmanager
def away() -> Iterator[torch.device]:
    """As long as the block lasts there is one more device, and it is yielded."""
    there, before = _there(), torch.away.devices
    torch.away.devices = 1
    try:
        with _Functions(), _Operations(), torch.autograd.set_multithreading_enabled(False):  # a thread a device is slow
            yield there
    finally:
        torch.away.devices = before


@cache
def _there() -> torch.device:
    # Once in a process, and not at the import: pytest imports this file where other tests run, too.
    backend_registration._setup_privateuseone_for_python_backend("away", _Backend())
    return torch.device("away", 0)


class _Backend:
    """What PyTorch asks of a kind of device, as of `torch.cuda`. Outside the block it is registered, and has none."""

    devices = 0

    def device_count(self) -> int:
        return self.devices

    def is_available(self) -> bool:
        return self.devices > 0

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """Nothing to do: what is drawn comes from the CPU's stream."""

    def get_rng_state(self, device: int) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: int) -> None:
        """Nothing to do: whoever puts a device's stream back has put the CPU's back."""


class _Away(Tensor):
    __torch_function__ = torch._C._disabled_torch_function_impl  # results of methods are what the operations returned

    @staticmethod
    def __new__(cls, held: Tensor) -> Tensor:
        about = {name: getattr(held, name) for name in ("dtype", "layout")}
        about |= {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made = Tensor._make_wrapper_subclass(cls, held.shape, device=_there(), requires_grad=False, **about)
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"{self.held!r} on {_there()}"

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Functions that make tensors of other things, or other things of tensors, in C++ and without an operation."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        first = args[0] if args else None
        if function is Tensor.new_tensor:
            return _made(torch.tensor, args[1], **{"device": first.device, "dtype": first.dtype} | kwargs)
        if function in (torch.tensor, torch.as_tensor, torch.asarray):
            return _made(function, *args, **kwargs)
        if isinstance(first, _Away):
            if function in (Tensor.numpy, Tensor.__array__):  # the words are CUDA's
                raise TypeError(
                    f"can't convert {_there()} device type tensor to numpy. Use Tensor.cpu() to copy the tensor"
                )
            if function is Tensor.tolist or (function is Tensor.__format__ and not first.ndim):
                return function(first.held.detach(), *args[1:])
            if function in (Tensor.__getitem__, Tensor.__setitem__):  # of a list it makes an index, on the device
                index, *value = args[1:]
                index = tuple(map(_index, index)) if isinstance(index, tuple) else _index(index)
                value = [
                    torch.tensor(one, dtype=first.dtype) if isinstance(one, (int, float)) else one for one in value
                ]
                return function(first, index, *value)
            if getattr(function, "__name__", "") in RECURRENT:
                return _on_the_cpu(function, args, kwargs)
        return function(*args, **kwargs)


def _index(part):
    return torch.tensor(part) if isinstance(part, list) else part


def _made(function, data, *, device=None, dtype=None, **kwargs) -> Tensor:
    if not isinstance(data, Tensor):
        numbers = _mapped(lambda part: _held(part).tolist(), data)
        made = function(numbers, dtype=dtype).to(CPU if device is None else device)
        return made.requires_grad_(kwargs.get("requires_grad", False))
    moved = data.to(data.device if device is None else device, data.dtype if dtype is None else dtype)
    return moved.detach().clone() if function is torch.tensor else moved


def _on_the_cpu(function, args, kwargs):
    """The whole of it there, gradients too: for devices that are no CPU it has kernels of their own."""
    _refuse_a_mixture(function, args, list(_each(args)))
    return _mapped(lambda part: part.to(_there()), function(*_mapped(Tensor.cpu, args), **kwargs))


def _each(value) -> Iterator[Tensor]:
    """The tensors in the arguments of an operation: alone or in lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _each(part)


def _mapped(change, value):
    """The same arguments, each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    return type(value)(_mapped(change, part) for part in value) if isinstance(value, (tuple, list)) else value


def _held(part: Tensor) -> Tensor:
    return part.held if isinstance(part, _Away) else part


def _lifted(part: Tensor) -> Tensor:
    return part if isinstance(part, _Away) else _Away(part)


def _run(operation, args, kwargs):
    tensors = [*_each(args), *_each(tuple(kwargs.values()))]
    far = any(isinstance(part, _Away) for part in tensors)
    to = kwargs.get("device")
    if not far and (to is None or torch.device(to).type != "away"):
        return operation(*args, **kwargs)
    if far:
        _refuse_a_mixture(operation, args, tensors)
    held = {name: _mapped(_held, part) for name, part in kwargs.items()} | ({} if to is None else {"device": CPU})
    result = operation(*_mapped(_held, tuple(args)), **held)
    if to is not None:
        far = torch.device(to).type == "away"
    elif operation is aten.copy_.default:
        far = isinstance(args[0], _Away)
    result = _mapped(_lifted, result) if far else result
    return return_and_correct_aliasing(operation, args, kwargs, result) if tensors else result


def _refuse_a_mixture(operation, args, tensors: list[Tensor]) -> None:
    near = [part for part in tensors if not isinstance(part, _Away)]
    if operation in MOVES or not near:
        return
    if operation in BY_INDEX and isinstance(args[0], _Away):
        near = [part for part in args[2:3] if not isinstance(part, _Away)]  # a value that is put there
    one_by_one = torch.Tag.pointwise in getattr(operation, "tags", ())
    takes_numbers = one_by_one or getattr(operation, "overloadpacket", None) in TAKE_A_NUMBER
    into_the_near = not isinstance(args[0], _Away) and operation._schema.is_mutable
    if into_the_near or any(part.ndim or not (takes_numbers or operation in BY_INDEX) for part in near):
        raise RuntimeError(f"Expected all tensors to be on the same device, got {_there()} and cpu in {operation}")
