internal import Foundation
internal import Numbers

extension Model {
    /// Smallest and largest parameter counts that a shape can be chosen for.
    package static let shapeableParameters = 10e6...20e12

    /// A dense llama-like shape of about `parameters` parameters (within 1 %).
    ///
    /// - Width over depth: interpolated, in the logarithm of the size, between published models (`widthOverDepth`).
    /// - Heads of 128 (64 below 300 M); 8 key/value heads from 30 B up (Llama 2 70B, Llama 3), as many as heads below.
    /// - Hidden size a multiple of 1,024 from 3 B up, so that tensor parallelism of 8 leaves whole heads of 128; a multiple
    ///   of 256 below 3 B, and of 128 below 300 M.
    /// - SwiGLU feed-forward size a multiple of 256 near 8/3 of hidden, 3.25 with grouped queries (Llama 3
    ///   405B; Llama 2 70B has 3.5).
    /// - Vocabulary 128,256 from 8 B up (Llama 3), 32,000 below (Llama 2); embeddings tied below 1 B.
    /// - 4,096 tokens a sequence (Llama 2), 2,048 below 3 B.
    ///
    /// Depths that many pipelines divide (multiples of 8, then 4, then 2) and widths of a multiple of 16 heads are
    /// preferred.
    ///
    /// - Parameter parameters: the wanted number, inside `shapeableParameters`.
    /// - Complexity: O(widths · depths), a few thousand candidates.
    package static func shaped(
        parameters: Double, vocab: Int? = nil, sequence: Int? = nil, tiedEmbeddings: Bool? = nil
    ) -> Model {
        let headSize = parameters < 300e6 ? 64 : 128
        let step = parameters >= 3e9 ? 1024 : (parameters >= 300e6 ? 256 : 128)
        let grouped = parameters >= 30e9
        let wantedFFN = grouped ? 3.25 : 8.0 / 3
        let wantedRatio = widthOverDepth(parameters: parameters)
        let vocab = vocab ?? (parameters >= 8e9 ? 128_256 : 32_000)

        func candidate(hidden: Int, layers: Int, ffn: Int) -> Model {
            Model(
                family: .llama, layers: layers, hidden: hidden, heads: hidden / headSize,
                kvHeads: grouped ? 8 : hidden / headSize, headSize: headSize, ffn: ffn, mlp: .swiglu, vocab: vocab,
                sequence: sequence ?? (parameters >= 3e9 ? 4096 : 2048),
                tiedEmbeddings: tiedEmbeddings ?? (parameters < 1e9))
        }

        // P ≈ 12·h²·L = 12·h³/ratio.
        let centre = cbrt(parameters * wantedRatio / 12)
        var best: (score: Double, model: Model)?
        var hidden = max(step, Int(saturating: centre * 0.6) / step * step)
        while Double(hidden) <= max(centre * 1.6, Double(2 * step)) {
            let around = parameters / (12 * Double(hidden) * Double(hidden))
            for layers in max(1, Int(saturating: around * 0.5))...max(2, Int(saturating: around * 1.6) + 1) {
                // The feed-forward size that gives the wanted parameters, rounded to a multiple of 256.
                let empty = Double(candidate(hidden: hidden, layers: layers, ffn: 0).parameters().total)
                let exact = (parameters - empty) / (3 * Double(hidden) * Double(layers))
                let ffn = Int(saturating: (exact / 256).rounded()) * 256
                guard ffn >= 256 else { continue }
                let model = candidate(hidden: hidden, layers: layers, ffn: ffn)
                let miss = abs(Double(model.parameters().total) / parameters - 1)
                let ratio = abs(log(Double(hidden) / Double(layers) / wantedRatio))
                let fullness = abs(log(Double(ffn) / Double(hidden) / wantedFFN))
                let oddDepth = layers % 8 == 0 ? 0.0 : (layers % 4 == 0 ? 0.05 : (layers % 2 == 0 ? 0.12 : 0.25))
                let odd = oddDepth + (hidden / headSize % 16 == 0 ? 0 : 0.1)
                let score = (miss > 0.01 ? 100 * miss : 4 * miss) + ratio + 1.5 * fullness + odd
                if score < best?.score ?? .infinity { best = (score, model) }
            }
            hidden += step
        }
        return best?.model ?? candidate(hidden: step, layers: 1, ffn: 256)
    }

    /// Hidden size over layers of published models: GPT-3 125M 768/12, 1.3B 2048/24 (Brown et al. 2020, table 2.1);
    /// Llama 2 7B 4096/32, 13B 5120/40, 70B 8192/80; GPT-3 175B 12288/96; Llama 3 405B 16384/126; MT-NLG 530B
    /// 20480/105; the 1T model of Korthikanti et al. 2022, 25600/128.
    static func widthOverDepth(parameters: Double) -> Double {
        interpolated(
            at: parameters,
            [
                (125e6, 64), (1.3e9, 85), (7e9, 128), (13e9, 128), (70e9, 102), (175e9, 128), (405e9, 130),
                (530e9, 195), (1e12, 200),
            ])
    }

    /// The value at x, linear in the logarithm of x between `points`, constant outside.
    static func interpolated(at x: Double, _ points: [(x: Double, y: Double)]) -> Double {
        guard let first = points.first, let last = points.last else { return .nan }
        if x <= first.x { return first.y }
        for (low, high) in zip(points, points.dropFirst()) where x <= high.x {
            return low.y + (high.y - low.y) * log(x / low.x) / log(high.x / low.x)
        }
        return last.y
    }

    /// Global batch, in sequences, that a model of this size is commonly trained with.
    ///
    /// Tokens of a step in published runs, interpolated in the logarithm of both: GPT-3 0.5 M at 125 M, 1 M at 1.3 B
    /// and 2 M at 13 B parameters (Brown et al. 2020, table 2.1; its 175 B took 3.2 M), Llama 2 4 M at 70 B (Touvron et
    /// al. 2023), Llama 3 16 M at 405 B (Grattafiori et al. 2024). The number of sequences is rounded to the nearest of
    /// 2ᵏ and 3·2ᵏ, which data-parallel degrees divide.
    package static func defaultBatch(parameters: Double, sequence: Int) -> Int {
        let tokens = exp(
            interpolated(
                at: parameters,
                [
                    (125e6, log(0.5e6)), (1.3e9, log(1e6)), (13e9, log(2e6)), (70e9, log(4e6)), (405e9, log(16e6)),
                ]))
        let wanted = max(1, tokens / Double(max(1, sequence)))
        var best = 1
        var power = 1
        while power < 1 << 40, Double(power) <= 2 * wanted {
            for size in [power, 3 * power] where abs(log(Double(size) / wanted)) < abs(log(Double(best) / wanted)) {
                best = size
            }
            power *= 2
        }
        return best
    }
}
