import Testing

@Suite struct EndToEndSuite {}
