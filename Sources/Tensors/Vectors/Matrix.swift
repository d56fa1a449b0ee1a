/// A row-major matrix of fp32 numbers in memory that somebody else owns. Debug builds check every row and column.
package struct Matrix {
    /// The first number.
    package let pointer: UnsafeMutablePointer<Float>
    package let rows: Int
    package let columns: Int
    /// Numbers from the start of one row to the start of the next, at least ``columns``.
    package let stride: Int

    /// - Parameter stride: nil for rows without gaps.
    @inline(__always)
    package init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        assert(rows >= 0 && columns >= 0 && (stride ?? columns) >= columns, "a matrix of \(rows) × \(columns)")
        self.pointer = pointer
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// Whether the rows lie one behind the other without gaps.
    package var isContiguous: Bool { stride == columns || rows <= 1 }

    /// Numbers of a matrix without gaps.
    @inline(__always)
    package var count: Int {
        assert(isContiguous, "the numbers of a matrix with gaps are no run")
        return rows * columns
    }

    /// The numbers of a matrix without gaps.
    package var numbers: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    /// The first number of row `index`.
    @inline(__always)
    package func row(_ index: Int) -> UnsafeMutablePointer<Float> {
        assert(index >= 0 && index < rows, "row \(index) of \(rows)")
        return pointer + index * stride
    }

    /// Rows `range`, in place.
    package func rows(_ range: Range<Int>) -> Matrix {
        assert(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        return Matrix(pointer + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// Columns `range`, in place.
    package func columns(_ range: Range<Int>) -> Matrix {
        assert(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
        return Matrix(pointer + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// Whether the other matrix has as many rows and columns.
    package func hasShape(of other: Matrix) -> Bool { rows == other.rows && columns == other.columns }

    /// Copies the numbers of `source`, of the same shape.
    package func copy(from source: Matrix) {
        assert(hasShape(of: source), "\(source.rows) × \(source.columns) into \(rows) × \(columns)")
        if isContiguous, source.isContiguous { return pointer.update(from: source.pointer, count: count) }
        for index in 0..<rows { row(index).update(from: source.row(index), count: columns) }
    }

    /// Every number of a matrix without gaps becomes `value`.
    package func fill(with value: Float) { VectorMath.fill(pointer, count: count, with: value) }
}

/// A batch of matrices of one shape, one for each sequence, in memory that somebody else owns: [B, rows, columns].
package struct MatrixBatch {
    /// The first matrix.
    package let first: Matrix
    /// Matrices.
    package let count: Int
    /// Numbers from the start of one matrix to the start of the next.
    package let stride: Int

    @inline(__always)
    package init(_ first: Matrix, count: Int, stride: Int) {
        self.first = first
        self.count = count
        self.stride = stride
    }

    package var rows: Int { first.rows }
    package var columns: Int { first.columns }

    @inline(__always)
    package subscript(_ index: Int) -> Matrix {
        assert(index >= 0 && index < count, "matrix \(index) of \(count)")
        return Matrix(first.pointer + index * stride, rows: rows, columns: columns, stride: first.stride)
    }

    /// Rows `range` of every matrix, in place.
    package func rows(_ range: Range<Int>) -> MatrixBatch {
        MatrixBatch(first.rows(range), count: count, stride: stride)
    }

    /// Columns `range` of every matrix, in place.
    package func columns(_ range: Range<Int>) -> MatrixBatch {
        MatrixBatch(first.columns(range), count: count, stride: stride)
    }
}

extension Matrix {
    /// The rows in runs of `length`, one a sequence.
    package func sequences(of length: Int) -> MatrixBatch {
        assert(length > 0 && rows % length == 0, "\(rows) rows in sequences of \(length)")
        return MatrixBatch(
            Matrix(pointer, rows: length, columns: columns, stride: stride), count: rows / length,
            stride: length * stride)
    }
}
