import Foundation

/// Attention and its gradient in float64, straight from the definition, for tensors with rows next to each other.
struct AttentionReference {
    var (batch, queries, keys, heads, keyValueHeads, headSize): (Int, Int, Int, Int, Int, Int)
    /// Query row i sees keys 0...(i + ahead).
    var ahead: Int

    var queryCount: Int { batch * queries * heads * headSize }
    var keyCount: Int { batch * keys * keyValueHeads * headSize }
    private func queryStart(_ sample: Int, _ row: Int, _ head: Int) -> Int {
        ((sample * queries + row) * heads + head) * headSize
    }
    private func keyStart(_ sample: Int, _ row: Int, _ head: Int) -> Int {
        ((sample * keys + row) * keyValueHeads + head / (heads / keyValueHeads)) * headSize
    }

    private func product(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
        var total = 0.0
        for d in 0..<headSize { total += a[i + d] * b[j + d] }
        return total
    }

    private func eachRow(_ body: (_ sample: Int, _ head: Int, _ row: Int, _ visible: Int) -> Void) {
        for sample in 0..<batch {
            for head in 0..<heads {
                for row in 0..<queries { body(sample, head, row, min(keys, max(0, row + 1 + ahead))) }
            }
        }
    }

    private func scores(_ q: [Double], _ k: [Double], _ sample: Int, _ head: Int, _ row: Int, _ visible: Int)
        -> [Double]
    {
        let start = queryStart(sample, row, head)
        return (0..<visible).map { key in
            let other = keyStart(sample, key, head)
            return product(q, start, k, other) / Double(headSize).squareRoot()
        }
    }

    /// Output [batch, queries, heads, headSize] and logSumExp [batch, heads, queries].
    func forward(_ q: [Double], _ k: [Double], _ v: [Double]) -> (output: [Double], logSumExp: [Double]) {
        var output = [Double](repeating: 0, count: queryCount)
        var logSumExp: [Double] = []
        eachRow { sample, head, row, visible in
            let scores = scores(q, k, sample, head, row, visible)
            let largest = scores.max() ?? 0
            let total = scores.reduce(0) { $0 + exp($1 - largest) }
            logSumExp.append(visible > 0 ? largest + log(total) : -.infinity)
            for (key, score) in scores.enumerated() {
                let p = exp(score - largest) / total
                for d in 0..<headSize {
                    output[queryStart(sample, row, head) + d] += p * v[keyStart(sample, key, head) + d]
                }
            }
        }
        return (output, logSumExp)
    }

    /// dV = Pᵀ·dO, dS = P∘(dO·Vᵀ − delta), dQ = dS·K/√d, dK = dSᵀ·Q/√d with P under the given logSumExp.
    func gradient(
        _ q: [Double], _ k: [Double], _ v: [Double], _ dOutput: [Double], logSumExp: [Double], delta: [Double]
    ) -> (q: [Double], k: [Double], v: [Double]) {
        var dq = [Double](repeating: 0, count: queryCount)
        var (dk, dv) = ([Double](repeating: 0, count: keyCount), [Double](repeating: 0, count: keyCount))
        eachRow { sample, head, row, visible in
            let statistics = (sample * heads + head) * queries + row
            let start = queryStart(sample, row, head)
            for (key, score) in scores(q, k, sample, head, row, visible).enumerated() {
                let other = keyStart(sample, key, head)
                let p = exp(score - logSumExp[statistics])
                let dp = product(dOutput, start, v, other)
                let ds = p * (dp - delta[statistics]) / Double(headSize).squareRoot()
                for d in 0..<headSize {
                    dv[other + d] += p * dOutput[start + d]
                    dq[start + d] += ds * k[other + d]
                    dk[other + d] += ds * q[start + d]
                }
            }
        }
        return (dq, dk, dv)
    }

    /// Σ over a head of dOutput ∘ output, [batch, heads, queries].
    func delta(_ output: [Double], _ dOutput: [Double]) -> [Double] {
        var result: [Double] = []
        eachRow { sample, head, row, _ in
            let start = queryStart(sample, row, head)
            result.append(product(output, start, dOutput, start))
        }
        return result
    }
}
