import Foundation
import Models
import Plans
import TestSupport

/// The models and clusters of this checkout.
enum Shipped {
    static func plan(
        _ model: Model, on cluster: String, devices: Int, batch: Int, precision: Precision = .bf16,
        tokens: Double? = nil
    ) throws -> Plan {
        Plan(
            name: "test", model: model, tokens: tokens, cluster: try Cluster.read(cluster, library: Checkout.library),
            devices: devices, batch: batch, precision: precision, layout: nil,
            frameworks: try Frameworks.read(library: Checkout.library))
    }

    static let llama8B = Model(
        family: .llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 128_256, sequence: 8192)
    static let gpt175B = Model(
        family: .gpt, layers: 96, hidden: 12288, heads: 96, vocab: 51200, sequence: 2048)
    static let tiny = Model(family: .gpt, layers: 6, hidden: 384, heads: 6, vocab: 256, sequence: 256)
}
