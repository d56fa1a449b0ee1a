import Testing

@Suite struct SimulatorSuite {}
