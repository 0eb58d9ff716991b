"""The lowered form of a model: one typed, static list of integer operations that every emitter reads.

A `Program` is NHWC/OHWI and fused (convolution + bias + activation); every shape is known and every `Tensor` carries
its `QuantParams`. Built by `lowering`, run by `interpreter`, printed by `emitters`. Refused: programs that contradict
themselves (a tensor read before it is made, two tensors of one name).
"""

from edgekit.program.op import Activation, Op, stored_limits
from edgekit.program.program import Program, State
from edgekit.program.tensor import DTYPES, QuantParams, Tensor

__all__ = ["DTYPES", "Activation", "Op", "Program", "QuantParams", "State", "Tensor", "stored_limits"]
