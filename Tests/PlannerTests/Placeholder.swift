import Testing

@Suite struct PlannerSuite {}
