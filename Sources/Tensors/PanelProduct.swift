/// Small matrix products for attention, where operands sit in the cache and a library call would cost as much as the
/// work. The right operand is a *panel*: [depth, 32] numbers, rows next to each other.
enum PanelProduct {
    /// Columns of a panel: two vectors.
    static let width = 2 * lanes
    /// Rows worked on at once: eight rows of two vectors are sixteen accumulators, enough to keep two multiply-add
    /// pipes full, and each step needs ten loads for its sixteen multiply-adds.
    static let rows = 8

    /// C[m, 32] (+)= A[m, depth]·B[depth, 32], where A's element (i, p) is `a[i · rowStride + p · depthStride]`.
    @inline(__always)
    static func multiply(
        _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, ldc: Int, m: Int, depth: Int, accumulate: Bool = false
    ) {
        var row = 0
        while row + rows <= m {
            eight(
                a + row * rowStride, rowStride, depthStride, panel, c + row * ldc, ldc, depth, accumulate)
            row += rows
        }
        while row < m {
            one(a + row * rowStride, depthStride, panel, c + row * ldc, depth, accumulate)
            row += 1
        }
    }

    @inline(never)
    private static func one(
        _ a: UnsafePointer<Float>, _ depthStride: Int, _ panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, _ depth: Int, _ accumulate: Bool
    ) {
        var (left, right) = (Vector(repeating: 0), Vector(repeating: 0))
        for p in 0..<depth {
            let value = Vector(repeating: a[p * depthStride])
            left = left.plus(value, panel.vector(p * width))
            right = right.plus(value, panel.vector(p * width + lanes))
        }
        if accumulate {
            left = c.vector(0) + left
            right = c.vector(lanes) + right
        }
        c.store(left, 0)
        c.store(right, lanes)
    }

    @inline(never)
    private static func eight(
        _ a: UnsafePointer<Float>, _ rowStride: Int, _ depthStride: Int, _ panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ depth: Int, _ accumulate: Bool
    ) {
        let zero = Vector(repeating: 0)
        var (l0, l1, l2, l3, l4, l5, l6, l7) = (zero, zero, zero, zero, zero, zero, zero, zero)
        var (r0, r1, r2, r3, r4, r5, r6, r7) = (zero, zero, zero, zero, zero, zero, zero, zero)
        var (low, b) = (a, panel)
        for _ in 0..<depth {
            let high = low + 4 * rowStride
            let (left, right) = (b.vector(0), b.vector(lanes))
            let a0 = Vector(repeating: low[0])
            l0 = l0.plus(a0, left)
            r0 = r0.plus(a0, right)
            let a1 = Vector(repeating: low[rowStride])
            l1 = l1.plus(a1, left)
            r1 = r1.plus(a1, right)
            let a2 = Vector(repeating: low[2 * rowStride])
            l2 = l2.plus(a2, left)
            r2 = r2.plus(a2, right)
            let a3 = Vector(repeating: low[3 * rowStride])
            l3 = l3.plus(a3, left)
            r3 = r3.plus(a3, right)
            let a4 = Vector(repeating: high[0])
            l4 = l4.plus(a4, left)
            r4 = r4.plus(a4, right)
            let a5 = Vector(repeating: high[rowStride])
            l5 = l5.plus(a5, left)
            r5 = r5.plus(a5, right)
            let a6 = Vector(repeating: high[2 * rowStride])
            l6 = l6.plus(a6, left)
            r6 = r6.plus(a6, right)
            let a7 = Vector(repeating: high[3 * rowStride])
            l7 = l7.plus(a7, left)
            r7 = r7.plus(a7, right)
            low += depthStride
            b += width
        }
        put(c, l0, r0, accumulate)
        put(c + ldc, l1, r1, accumulate)
        put(c + 2 * ldc, l2, r2, accumulate)
        put(c + 3 * ldc, l3, r3, accumulate)
        put(c + 4 * ldc, l4, r4, accumulate)
        put(c + 5 * ldc, l5, r5, accumulate)
        put(c + 6 * ldc, l6, r6, accumulate)
        put(c + 7 * ldc, l7, r7, accumulate)
    }

    @inline(__always)
    private static func put(_ c: UnsafeMutablePointer<Float>, _ left: Vector, _ right: Vector, _ accumulate: Bool) {
        if accumulate {
            c.store(c.vector(0) + left, 0)
            c.store(c.vector(lanes) + right, lanes)
        } else {
            c.store(left, 0)
            c.store(right, lanes)
        }
    }

    // MARK: packing

    /// Panels of a matrix x [rows, columns] (row distance `stride`): panel p holds columns 32p…32p+31 of every row,
    /// zeros where x ends. Needs ``packedCount(rows:columns:)`` numbers.
    static func pack(
        _ x: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, into panels: UnsafeMutablePointer<Float>
    ) {
        for start in Swift.stride(from: 0, to: columns, by: width) {
            let panel = panels + start * rows
            let left = min(lanes, columns - start)
            let right = min(lanes, columns - start - left)
            for row in 0..<rows {
                let source = x + row * stride + start
                panel.store(left == lanes ? source.vector(0) : source.vector(0, count: left), row * width)
                panel.store(
                    right == lanes ? source.vector(lanes) : source.vector(lanes, count: right), row * width + lanes)
            }
        }
    }

    /// Panels of xᵀ [columns, rows] times `scale`: panel p holds rows 32p…32p+31 of x as its columns, zeros where x
    /// ends. Needs `packedCount(rows: columns, columns: rows)` numbers.
    static func packTransposed(
        _ x: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int, scale: Float,
        into panels: UnsafeMutablePointer<Float>
    ) {
        for start in Swift.stride(from: 0, to: rows, by: lanes) {
            let panel = panels + start / width * width * columns + start % width
            let rowCount = min(lanes, rows - start)
            var column = 0
            while rowCount == lanes && column + lanes <= columns {
                transpose(x + start * stride + column, stride, scale, into: panel + column * width)
                column += lanes
            }
            while column < columns {
                for row in 0..<rowCount {
                    panel[column * width + row] = x[(start + row) * stride + column] * scale
                }
                for row in rowCount..<max(lanes, rowCount) { panel[column * width + row] = 0 }
                column += 1
            }
        }
        // A last half panel without rows.
        if rows % width != 0, rows % width <= lanes {
            let panel = panels + rows / width * width * columns + lanes
            for column in 0..<columns { panel.store(Vector(repeating: 0), column * width) }
        }
    }

    /// Sixteen columns of sixteen rows, as sixteen rows of a panel. Four rounds of interleaving row i with row i + 8
    /// move every number to its transposed place.
    @inline(__always)
    private static func transpose(
        _ x: UnsafePointer<Float>, _ stride: Int, _ scale: Float, into panel: UnsafeMutablePointer<Float>
    ) {
        var (a0, a1, a2, a3) = (x.vector(0), x.vector(stride), x.vector(2 * stride), x.vector(3 * stride))
        var (a4, a5, a6, a7) = (
            x.vector(4 * stride), x.vector(5 * stride), x.vector(6 * stride), x.vector(7 * stride)
        )
        var (b0, b1, b2, b3) = (
            x.vector(8 * stride), x.vector(9 * stride), x.vector(10 * stride), x.vector(11 * stride)
        )
        var (b4, b5, b6, b7) = (
            x.vector(12 * stride), x.vector(13 * stride), x.vector(14 * stride), x.vector(15 * stride)
        )
        for _ in 0..<4 {
            let (c0, c1) = interleave(a0, b0)
            let (c2, c3) = interleave(a1, b1)
            let (c4, c5) = interleave(a2, b2)
            let (c6, c7) = interleave(a3, b3)
            let (d0, d1) = interleave(a4, b4)
            let (d2, d3) = interleave(a5, b5)
            let (d4, d5) = interleave(a6, b6)
            let (d6, d7) = interleave(a7, b7)
            (a0, a1, a2, a3, a4, a5, a6, a7) = (c0, c1, c2, c3, c4, c5, c6, c7)
            (b0, b1, b2, b3, b4, b5, b6, b7) = (d0, d1, d2, d3, d4, d5, d6, d7)
        }
        panel.store(a0 * scale, 0)
        panel.store(a1 * scale, width)
        panel.store(a2 * scale, 2 * width)
        panel.store(a3 * scale, 3 * width)
        panel.store(a4 * scale, 4 * width)
        panel.store(a5 * scale, 5 * width)
        panel.store(a6 * scale, 6 * width)
        panel.store(a7 * scale, 7 * width)
        panel.store(b0 * scale, 8 * width)
        panel.store(b1 * scale, 9 * width)
        panel.store(b2 * scale, 10 * width)
        panel.store(b3 * scale, 11 * width)
        panel.store(b4 * scale, 12 * width)
        panel.store(b5 * scale, 13 * width)
        panel.store(b6 * scale, 14 * width)
        panel.store(b7 * scale, 15 * width)
    }

    /// The lanes of `a` and `b` in turn: the first halves, then the second halves.
    @inline(__always)
    private static func interleave(_ a: Vector, _ b: Vector) -> (Vector, Vector) {
        var (low, high) = (a, b)
        low.evenHalf = a.lowHalf
        low.oddHalf = b.lowHalf
        high.evenHalf = a.highHalf
        high.oddHalf = b.highHalf
        return (low, high)
    }

    /// Numbers in the panels of a [rows, columns] matrix.
    static func packedCount(rows: Int, columns: Int) -> Int { rows * padded(columns) }

    /// `count` rounded up to whole panels.
    static func padded(_ count: Int) -> Int { (count + width - 1) / width * width }
}
