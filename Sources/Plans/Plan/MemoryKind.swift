/// What a figure of device memory counts.
package enum MemoryKind: String, Hashable, Codable, Sendable, CaseIterable {
    /// All the driver reports.
    case device
    /// What the allocator holds.
    case reserved
    /// What tensors use.
    case allocated
}
