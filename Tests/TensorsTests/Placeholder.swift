import Testing

@Suite struct TensorsSuite {}
