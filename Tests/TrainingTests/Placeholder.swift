import Testing

@Suite struct TrainingSuite {}
