import Foundation
import Models
import Plans

/// A transformer in float64, written from its formulas as plainly as possible: what the runtime's stages are compared with.
/// Tensors by their Hugging Face names, matrices as they lie there (gpt `[inputs, outputs]`, llama `[outputs, inputs]`).
///
/// R rows (sequences one behind the other), H hidden.
struct ReferenceModel {
    let model: Model
    var tensors: [String: [Double]]
    /// Weight of the experts' load-balance loss.
    var auxiliaryLoss = 0.0
    /// The first token of every row's document, by rows; nil: a sequence is one document.
    var documentStarts: [Int]?

    private var isGPT: Bool { model.family == .gpt }

    // MARK: whole stages

    /// Blocks 0..<layers on x `[R, H]`: their output, and the load-balance losses times their weight.
    func blocks(_ x: [Double]) -> (y: [Double], auxiliary: Double) {
        var (y, auxiliary) = (x, 0.0)
        for layer in 0..<model.layers {
            let name = isGPT ? "h.\(layer)." : "model.layers.\(layer)."
            let attended = attention(norm(y, name + (isGPT ? "ln_1" : "input_layernorm")), name)
            for index in y.indices { y[index] += attended[index] }
            let normed = norm(y, name + (isGPT ? "ln_2" : "post_attention_layernorm"))
            let (branch, extra) = model.hasExperts(layer) ? mixture(normed, name + "mlp.") : (dense(normed, name), 0)
            for index in y.indices { y[index] += branch[index] }
            auxiliary += extra
        }
        return (y, auxiliary)
    }

    /// Token table, and learned positions.
    func embedding(_ tokens: [Int]) -> [Double] {
        let table = tensors[isGPT ? "wte.weight" : "model.embed_tokens.weight"] ?? []
        return tokens.enumerated().flatMap { row, token in
            (0..<model.hidden).map { column in
                let position = tensors["wpe.weight"]?[place(row) * model.hidden + column] ?? 0
                return table[token * model.hidden + column] + position
            }
        }
    }

    /// Mean cross-entropy of the targets, after the final norm and the head.
    func loss(_ x: [Double], targets: [Int]) -> Double {
        let head =
            model.tiedEmbeddings
            ? tensors[isGPT ? "wte.weight" : "model.embed_tokens.weight"] : tensors["lm_head.weight"]
        let normed = norm(x, isGPT ? "ln_f" : "model.norm")
        let logits = product(normed, head ?? [], inputs: model.hidden, outputs: model.vocab, isTransposed: true)
        var total = 0.0
        for (row, target) in targets.enumerated() {
            let mine = logits[row * model.vocab..<(row + 1) * model.vocab]
            total += log(mine.reduce(0) { $0 + exp($1) }) - mine[mine.startIndex + target]
        }
        return total / Double(targets.count)
    }

    /// The position of a row in its sequence or document.
    private func place(_ row: Int) -> Int { documentStarts.map { row - $0[row] } ?? row % model.sequence }

    // MARK: layers

    private func product(
        _ x: [Double], _ weights: [Double], inputs: Int, outputs: Int, isTransposed: Bool
    ) -> [Double] {
        var y = [Double](repeating: 0, count: x.count / inputs * outputs)
        for row in 0..<x.count / inputs {
            for output in 0..<outputs {
                for input in 0..<inputs {
                    let place = isTransposed ? output * inputs + input : input * outputs + output
                    y[row * outputs + output] += x[row * inputs + input] * weights[place]
                }
            }
        }
        return y
    }

    /// y = x·W + b, and of an adapter (alpha/r)·(x·Aᵀ)·Bᵀ.
    private func linear(_ x: [Double], _ name: String, _ inputs: Int, _ outputs: Int) -> [Double] {
        var y = frozen(x, name, inputs, outputs)
        if let a = tensors[name + ".lora_A.weight"], let b = tensors[name + ".lora_B.weight"],
            let lora = model.tuning?.lora
        {
            let narrow = product(x, a, inputs: inputs, outputs: lora.rank, isTransposed: true)
            let added = product(narrow, b, inputs: lora.rank, outputs: outputs, isTransposed: true)
            for index in y.indices { y[index] += lora.alpha / Double(lora.rank) * added[index] }
        }
        return y
    }

    private func frozen(_ x: [Double], _ name: String, _ inputs: Int, _ outputs: Int) -> [Double] {
        var y = product(
            x, tensors[name + ".weight"] ?? [], inputs: inputs, outputs: outputs, isTransposed: !isGPT)
        if let bias = tensors[name + ".bias"] {
            for index in y.indices { y[index] += bias[index % outputs] }
        }
        return y
    }

    private func norm(_ x: [Double], _ name: String, width: Int? = nil) -> [Double] {
        let width = width ?? model.hidden
        let (gain, bias) = (tensors[name + ".weight"] ?? [], tensors[name + ".bias"])
        var y = x
        for row in 0..<x.count / width {
            let values = x[row * width..<(row + 1) * width]
            let mean = isGPT ? values.reduce(0, +) / Double(width) : 0
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            for column in 0..<width {
                y[row * width + column] =
                    (x[row * width + column] - mean) / (variance + 1e-5).squareRoot() * gain[column]
                    + (bias?[column] ?? 0)
            }
        }
        return y
    }

    private func attention(_ x: [Double], _ block: String) -> [Double] {
        let (size, heads, keyHeads) = (model.headSize, model.heads, model.kvHeads)
        let rows = x.count / model.hidden
        var parts: [[Double]]
        if isGPT {
            let all = linear(x, block + "attn.c_attn", model.hidden, 3 * heads * size)
            let width = heads * size
            parts = (0..<3).map { part in
                (0..<rows * width).map { all[$0 / width * 3 * width + part * width + $0 % width] }
            }
        } else {
            parts = [("q", heads), ("k", keyHeads), ("v", keyHeads)].map {
                linear(x, block + "self_attn.\($0)_proj", model.hidden, $1 * size)
            }
        }
        if model.block.qkNorm == .head {
            let prefix = block + (isGPT ? "attn." : "self_attn.")
            parts[0] = norm(parts[0], prefix + "q_norm", width: size)
            parts[1] = norm(parts[1], prefix + "k_norm", width: size)
        }
        if !isGPT {
            rotate(&parts[0], heads: heads)
            rotate(&parts[1], heads: keyHeads)
        }
        var output = [Double](repeating: 0, count: rows * heads * size)
        for row in 0..<rows {
            // The first key that the row sees, of its own sequence and inside its window.
            let start = documentStarts?[row] ?? row / model.sequence * model.sequence
            let first = max(start, row + 1 - (model.block.window ?? row + 1))
            for head in 0..<heads {
                let (query, other) = ((row * heads + head) * size, head / (heads / keyHeads))
                func key(_ row: Int) -> Int { (row * keyHeads + other) * size }
                let scores = (first...row).map { from in
                    let products = (0..<size).map { parts[0][query + $0] * parts[1][key(from) + $0] }
                    return exp(products.reduce(0, +) / Double(size).squareRoot())
                }
                let total = scores.reduce(0, +)
                for (index, score) in scores.enumerated() {
                    for d in 0..<size { output[query + d] += score / total * parts[2][key(first + index) + d] }
                }
            }
        }
        return linear(output, block + (isGPT ? "attn.c_proj" : "self_attn.o_proj"), heads * size, model.hidden)
    }

    /// Element d of a head turns with element d + headSize/2 by position · 10000^(−2d/headSize).
    private func rotate(_ x: inout [Double], heads: Int) {
        let half = model.headSize / 2
        for pair in 0..<x.count / 2 {
            let (head, d) = (pair / half, pair % half)
            let position = Double(place(head / heads))
            let angle = position * pow(10_000, -2 * Double(d) / Double(model.headSize))
            let (first, second) = (head * model.headSize + d, head * model.headSize + half + d)
            let (a, b) = (x[first], x[second])
            x[first] = a * cos(angle) - b * sin(angle)
            x[second] = b * cos(angle) + a * sin(angle)
        }
    }

    private func activate(_ x: Double) -> Double {
        switch model.mlp {
        case .relu: max(x, 0)
        case .squaredRelu: max(x, 0) * max(x, 0)
        case .swiglu, .silu: x / (1 + exp(-x))
        case .reglu: max(x, 0)
        case .gelu, .geglu: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        }
    }

    private func dense(_ x: [Double], _ block: String) -> [Double] {
        guard isGPT else { return gated(x, block + "mlp.", model.ffn) }
        let inner = linear(x, block + "mlp.c_fc", model.hidden, model.ffn).map(activate)
        return linear(inner, block + "mlp.c_proj", model.ffn, model.hidden)
    }

    private func gated(_ x: [Double], _ prefix: String, _ ffn: Int) -> [Double] {
        let gate = linear(x, prefix + "gate_proj", model.hidden, ffn)
        let up = linear(x, prefix + "up_proj", model.hidden, ffn)
        return linear(zip(gate, up).map { activate($0) * $1 }, prefix + "down_proj", ffn, model.hidden)
    }

    /// The experts' weighted sum with the shared one, and the load-balance loss times its weight.
    private func mixture(_ x: [Double], _ prefix: String) -> ([Double], Double) {
        guard let moe = model.moe else { return (x, 0) }
        let (rows, hidden) = (x.count / model.hidden, model.hidden)
        let logits = linear(x, prefix + "gate", hidden, moe.experts)
        var y =
            moe.sharedWidth > 0
            ? gated(x, prefix + "shared_experts.", moe.sharedWidth) : [Double](repeating: 0, count: x.count)
        var loads = [Double](repeating: 0, count: moe.experts)
        var means = loads
        for row in 0..<rows {
            let exponentials = (0..<moe.experts).map { exp(logits[row * moe.experts + $0]) }
            let total = exponentials.reduce(0, +)
            for expert in 0..<moe.experts { means[expert] += exponentials[expert] / total / Double(rows) }
            let chosen = (0..<moe.experts).sorted { exponentials[$0] > exponentials[$1] }.prefix(moe.topK)
            let kept = chosen.reduce(0) { $0 + exponentials[$1] }
            for expert in chosen {
                loads[expert] += 1 / Double(rows * moe.topK)
                let result = gated(
                    Array(x[row * hidden..<(row + 1) * hidden]), prefix + "experts.\(expert).", moe.ffn)
                for d in 0..<hidden { y[row * hidden + d] += exponentials[expert] / kept * result[d] }
            }
        }
        let balance = zip(loads, means).reduce(0) { $0 + $1.0 * $1.1 } * Double(moe.experts)
        return (y, auxiliaryLoss * balance)
    }
}
