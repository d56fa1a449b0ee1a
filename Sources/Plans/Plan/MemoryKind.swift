/// The kind of device memory that a measured figure counts.
package enum MemoryKind: String, Hashable, Codable, Sendable, CaseIterable {
    /// All memory that the driver reports as used.
    case device
    /// Memory that the allocator holds.
    case reserved
    /// Memory that tensors use.
    case allocated
}
