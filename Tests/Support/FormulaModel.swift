package import Foundation

/// A GPT whose weights come from the golden file's formula, as a safetensors file.
package struct FormulaModel {
    private let layers: Int
    private let hidden: Int
    private let sequence: Int
    private let tied: Bool

    package init(layers: Int, hidden: Int, sequence: Int, tied: Bool) {
        (self.layers, self.hidden, self.sequence, self.tied) = (layers, hidden, sequence, tied)
    }

    private var tensors: [(name: String, shape: [Int])] {
        let wide = 4 * hidden
        var all: [(String, [Int])] = [("wte.weight", [256, hidden]), ("wpe.weight", [sequence, hidden])]
        for layer in 0..<layers {
            let block: [(String, [Int])] = [
                ("ln_1.weight", [hidden]), ("ln_1.bias", [hidden]), ("attn.c_attn.weight", [hidden, 3 * hidden]),
                ("attn.c_attn.bias", [3 * hidden]), ("attn.c_proj.weight", [hidden, hidden]),
                ("attn.c_proj.bias", [hidden]), ("ln_2.weight", [hidden]), ("ln_2.bias", [hidden]),
                ("mlp.c_fc.weight", [hidden, wide]), ("mlp.c_fc.bias", [wide]), ("mlp.c_proj.weight", [wide, hidden]),
                ("mlp.c_proj.bias", [hidden]),
            ]
            all += block.map { ("h.\(layer)." + $0.0, $0.1) }
        }
        all += [("ln_f.weight", [hidden]), ("ln_f.bias", [hidden])]
        if !tied { all.append(("lm_head.weight", [256, hidden])) }
        return all
    }

    package func write(to url: URL) throws { try Self.write(tensors, to: url) }

    /// Writes the file by the format's own words: header length, JSON header, tensors.
    /// - Parameter scale: factor of all weights but norms', a power of two.
    package static func write(_ tensors: [(name: String, shape: [Int])], scale: Float = 1, to url: URL) throws {
        var header: [String: Any] = [:]
        var data = Data()
        for (name, shape) in tensors {
            let count = shape.reduce(1, *)
            header[name] = ["dtype": "F32", "shape": shape, "data_offsets": [data.count, data.count + 4 * count]]
            let factor = isNormWeight(name) ? 1 : scale
            formulaWeights(name: name, count: count).map { $0 * factor }.withUnsafeBytes { data.append(contentsOf: $0) }
        }
        let text = try JSONSerialization.data(withJSONObject: header)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        try (length + text + data).write(to: url)
    }
}
