internal import Tensors

/// x [R, I], y [R, O]: a low-rank adapter beside a linear layer, y += scale · (x·Aᵀ)·Bᵀ (Hu et al. 2021), for some of the
/// layer's columns.
///
/// Tensor ranks that cut the layer's columns have all of A and their rows of B; those that cut its inputs have their columns
/// of A and all of B. Each then adds its part of the sum that the layer's own results, or the gradients of its inputs, are
/// anyway. The gradient of a matrix that every rank has whole is a sum over ranks, made once a step.
struct AdapterLayer {
    /// A [r, I] and B [O, r].
    let down: Parameter
    let up: Parameter
    let rank: Int
    let inputs: Int
    /// The columns of the layer's results that the adapter adds to.
    let columns: Range<Int>
    let scale: Float
    let mixed: MixedPrecisionProducts?
    /// Rows between the two matrices [R, r] and their gradients.
    let scratch: AdapterScratch

    private var a: Matrix { down.weight(rows: rank, columns: inputs) }
    private var b: Matrix { up.weight(rows: columns.count, columns: rank) }

    /// x [R, I]: y[columns] += scale · (x·Aᵀ)·Bᵀ.
    func forward(_ x: Matrix, into y: Matrix) { add(narrow(x), transposed: true, b, into: y.columns(columns)) }

    /// dy [R, O], dx [R, I]: dx += scale · (dy[columns]·B)·A.
    func inputGradient(_ dy: Matrix, into dx: Matrix) {
        add(narrowGradient(dy.columns(columns)), transposed: false, a, into: dx)
    }

    /// x [R, I], dy [R, O]: adds to the gradients of A and B.
    func weightGradient(_ x: Matrix, _ dy: Matrix) {
        guard !down.unit.isFrozen else { return }
        let own = whole(dy.columns(columns), in: scratch.ownColumns)
        let gradient = narrowGradient(own)
        accumulate(gradient, whole(x), into: down.gradient(rows: rank, columns: inputs))
        accumulate(own, narrow(x), into: up.gradient(rows: columns.count, columns: rank))
    }

    /// scale · x·Aᵀ [R, r].
    private func narrow(_ x: Matrix) -> Matrix {
        let rows = scratch.results.reserve(rows: x.rows, columns: rank)
        product(whole(x), a, transposed: true, into: rows, adds: false)
        scaled(rows)
        return rows
    }

    /// scale · dy·B [R, r].
    private func narrowGradient(_ dy: Matrix) -> Matrix {
        let rows = scratch.gradients.reserve(rows: dy.rows, columns: rank)
        product(whole(dy), b, transposed: false, into: rows, adds: false)
        scaled(rows)
        return rows
    }

    private func scaled(_ rows: Matrix) {
        guard scale != 1 else { return }
        for index in 0..<rows.count { rows.pointer[index] *= scale }
    }

    /// The matrix without gaps, as products in bf16 need it: itself, or a copy.
    private func whole(_ x: Matrix, in storage: GrowingStorage<Float>? = nil) -> Matrix {
        guard mixed != nil, !x.isContiguous else { return x }
        let copy = (storage ?? scratch.copies).reserve(rows: x.rows, columns: x.columns)
        copy.copy(from: x)
        return copy
    }

    /// y += x·w, or x·wᵀ.
    private func add(_ x: Matrix, transposed: Bool, _ w: Matrix, into y: Matrix) {
        guard mixed != nil, !y.isContiguous else { return product(x, w, transposed: transposed, into: y, adds: true) }
        let results = scratch.copies.reserve(rows: y.rows, columns: y.columns)
        product(x, w, transposed: transposed, into: results, adds: false)
        for row in 0..<y.rows { VectorMath.add(into: y.row(row), from: results.row(row), count: y.columns) }
    }

    private func product(_ x: Matrix, _ w: Matrix, transposed: Bool, into y: Matrix, adds: Bool) {
        if let mixed {
            mixed.multiply(x, w, transposeB: transposed, into: y, accumulate: adds)
        } else {
            MatrixProduct.multiply(x, w, transposeB: transposed, into: y, accumulate: adds)
        }
    }

    /// gradient += xᵀ·y.
    private func accumulate(_ x: Matrix, _ y: Matrix, into gradient: Matrix) {
        if let mixed {
            mixed.multiply(x, transposeA: true, y, into: gradient, accumulate: true)
        } else {
            MatrixProduct.multiply(x, transposeA: true, y, into: gradient, accumulate: true)
        }
    }
}

/// Room for the narrow rows of adapters. One adapter works at a time.
final class AdapterScratch {
    let results = GrowingStorage<Float>()
    let gradients = GrowingStorage<Float>()
    let copies = GrowingStorage<Float>()
    /// Gradients of an adapter's columns, beside a copy of its inputs.
    let ownColumns = GrowingStorage<Float>()
}
