/// Which blocks every pipeline stage holds.
package struct StagePartition: Hashable, Codable, Sendable {
    /// Blocks of each stage, in stage order; together they are `0..<layers`.
    package var layers: [Range<Int>]

    package init(layers: [Range<Int>]) { self.layers = layers }

    package var stages: Int { layers.count }
}
