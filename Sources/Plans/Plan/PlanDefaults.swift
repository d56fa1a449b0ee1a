extension Plan {
    /// Keys of a plan beside its layout whose default may decide much of the time.
    package enum Default: String, Hashable, Codable, Sendable, CaseIterable {
        case precision, framework
    }
}
