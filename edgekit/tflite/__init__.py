"""TFLite files: FlatBuffers bytes become checked values, tables become bytes. Refused: files that contradict
themselves.

`schema` holds the public schema as tables, `flatbuffer` reads and writes any of them, `model` is the border behind
which everything was checked. None of it needs LiteRT or TensorFlow.
"""
