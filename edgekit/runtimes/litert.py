"""LiteRT (ai-edge-litert): with its fast kernels (XNNPACK, its default), or with its reference kernels."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.errors import ModelError, UnsupportedError
from edgekit.runtimes.described import border
from edgekit.runtimes.session import Array, in_order
from edgekit.runtimes.stderr import captured_stderr


class LiteRt:
    """A session of LiteRT's interpreter, with one thread. Raises ModelError, UnsupportedError."""

    def __init__(self, content: bytes, *, reference: bool = False) -> None:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        self.name = f"LiteRT {ai_edge_litert.__version__}, {'reference kernels' if reference else 'XNNPACK'}"
        self._border = border(content)
        self.inputs, self.outputs = self._border.inputs, self._border.outputs
        with captured_stderr() as said:
            try:
                self._interpreter = Interpreter(
                    model_content=content, num_threads=1, experimental_op_resolver_type=kernels
                )
                self._interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as e:
                raise UnsupportedError(f"LiteRT does not load the model: {e or said()}") from e

    def run(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        arrays = in_order(self.inputs, sample)
        with captured_stderr() as said:
            try:
                for index, array in zip(self._border.input_indices, arrays, strict=True):
                    self._interpreter.set_tensor(index, array)
                self._interpreter.invoke()
            except (RuntimeError, ValueError) as e:
                raise ModelError(f"the model fails on an input in LiteRT: {e or said()}") from e
        indices = zip(self.outputs, self._border.output_indices, strict=True)
        return {value.name: self._interpreter.get_tensor(index) for value, index in indices}
