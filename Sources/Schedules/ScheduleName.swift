/// The schedules a plan may name (contract: `layout.schedule`).
package enum ScheduleName: String, Hashable, Codable, Sendable, CaseIterable {
    case gpipe
    case oneForwardOneBackward = "1f1b"
    case interleaved = "interleaved-1f1b"
}
