/// How a model that answers keeps a number: its bits, and the scales that a group of numbers shares.
package struct StoredFormat: Hashable, Codable, Sendable {
    package var name: String
    /// Bits of one number.
    package var bits: Double
    /// Numbers that share a scale; nil: none do.
    package var group: Int?
    /// Bits of the scale and zero point that a group shares.
    package var groupBits: Double

    package init(name: String, bits: Double, group: Int? = nil, groupBits: Double = 0) {
        self.name = name
        self.bits = bits
        self.group = group
        self.groupBits = groupBits
    }

    /// Bytes of one number with its part of the group's scale.
    package var bytes: Double { (bits + groupBits / Double(group ?? 1)) / 8 }
}
