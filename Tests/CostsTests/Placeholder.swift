import Testing

@Suite struct CostsSuite {}
