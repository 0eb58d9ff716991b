"""A library → the part of its example that every ecosystem shares: memory, and a function that runs one inference."""

from __future__ import annotations

from edgekit.emitters.c.call import C_TYPES
from edgekit.exports.library import Library, Value


def inference(library: Library) -> str:
    """C that is C++ too: `arena`, and infer(), which gives an ek_status."""
    n = library.name
    filled = "\n".join(_filled(library, value) for value in library.inputs)
    return f"""static {n}_arena arena; /* {library.arena_bytes} bytes: all memory that the model writes to */

/* One inference: EK_OK, or why it failed. Inputs are lost in it: write all of them each time. */
static ek_status infer(void) {{
{filled}
  return {n}_invoke(&arena);
}}
"""


def first_output(library: Library) -> str:
    """A C expression: the first number of the first output, as stored."""
    return f"(long){library.name}_{library.outputs[0].function}(&arena)[0]"


def _filled(library: Library, value: Value) -> str:
    macro = f"{library.upper}_{value.function.upper()}"
    what, zero = "your data", "0"
    if value.scale is not None:
        what, zero = f"your data: {library.name}_quantize_{value.function}(real value)", f"{macro}_ZERO_POINT"
    element = f"{library.name}_{value.function}(&arena)[i]"
    return f"""  for (int32_t i = 0; i < {macro}_SIZE; ++i) {{
    {element} = ({C_TYPES[value.dtype]}){zero}; /* {what} */
  }}"""


def c_program(library: Library, main: str = "int main(void)", headers: str = "") -> str:
    """A whole example for a C library with printf(): the self-test, then one inference."""
    n = library.name
    return f"""/* Tests {n} on this device, then runs it once. */
#include <stdio.h>
{headers}
#include "{n}_selftest.h"

{inference(library)}
{main} {{
  const int wrong = {n}_selftest_in(&arena);
  if (wrong == 0) {{
    printf("{n}: self-test passed\\n");
  }} else {{
    printf("{n}: self-test failed at %d\\n", wrong);
  }}
  if (wrong == 0 && infer() == EK_OK) {{
    printf("{n}: first output %ld\\n", {first_output(library)});
  }}
"""
