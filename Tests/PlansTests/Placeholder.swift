import Testing

@Suite struct PlansSuite {}
