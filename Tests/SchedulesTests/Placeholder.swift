import Testing

@Suite struct SchedulesSuite {}
