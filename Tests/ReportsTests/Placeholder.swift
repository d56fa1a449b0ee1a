import Testing

@Suite struct ReportsSuite {}
