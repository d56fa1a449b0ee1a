internal import COneDNN

/// a [m, k], panel [k, 32], c [m, 32]: small matrix products for attention, where operands lie in the cache and a library
/// call would cost as much as the work. The right operand is a *panel* of 32 columns without gaps.
enum PanelProduct {
    /// Columns of a panel: two vectors.
    static let width = 2 * lanes
    /// Rows worked on at once: with AVX-512 eight rows of two vectors are sixteen accumulators, enough to keep two
    /// multiply-add pipes full, and each step needs ten loads for its sixteen multiply-adds. With narrower registers
    /// they are worked on in parts.
    static let rows = 8
    /// The best number of rows for one call. Without AVX-512 sixteen rows are two sixes and a four.
    static var tile: Int { trainyard_has_wide_registers() ? 8 : 16 }

    /// a [m, depth], panel [depth, 32], c [m, 32]: c = a·panel, or with `accumulate` c += a·panel. Element (i, p) of a is
    /// `a[i · rowStride + p · depthStride]`.
    @inline(__always)
    static func multiply(
        _ a: UnsafePointer<Float>, rowStride: Int, depthStride: Int, panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, ldc: Int, m: Int, depth: Int, accumulate: Bool = false
    ) {
        var row = 0
        if trainyard_has_wide_registers() {
            while row + rows <= m {
                eightRows(a + row * rowStride, rowStride, depthStride, panel, c + row * ldc, ldc, depth, accumulate)
                row += rows
            }
        } else {
            // Eight rows left are two fours rather than a six and two ones.
            while m - row >= 6 && m - row != 8 {
                sixRows(a + row * rowStride, rowStride, depthStride, panel, c + row * ldc, ldc, depth, accumulate)
                row += 6
            }
            while m - row >= 4 {
                fourRows(a + row * rowStride, rowStride, depthStride, panel, c + row * ldc, ldc, depth, accumulate)
                row += 4
            }
        }
        while row < m {
            oneRow(a + row * rowStride, depthStride, panel, c + row * ldc, depth, accumulate)
            row += 1
        }
    }

    @inline(never)
    private static func oneRow(
        _ a: UnsafePointer<Float>, _ depthStride: Int, _ panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, _ depth: Int, _ accumulate: Bool
    ) {
        var (left, right) = (Vector(repeating: 0), Vector(repeating: 0))
        for p in 0..<depth {
            let value = Vector(repeating: a[p * depthStride])
            left = left.adding(value, times: panel.vector(p * width))
            right = right.adding(value, times: panel.vector(p * width + lanes))
        }
        if accumulate {
            left = c.vector(0) + left
            right = c.vector(lanes) + right
        }
        c.store(left, 0)
        c.store(right, lanes)
    }

    // MARK: thirty-two registers of sixteen floats

    @inline(never)
    private static func eightRows(
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
            l0 = l0.adding(a0, times: left)
            r0 = r0.adding(a0, times: right)
            let a1 = Vector(repeating: low[rowStride])
            l1 = l1.adding(a1, times: left)
            r1 = r1.adding(a1, times: right)
            let a2 = Vector(repeating: low[2 * rowStride])
            l2 = l2.adding(a2, times: left)
            r2 = r2.adding(a2, times: right)
            let a3 = Vector(repeating: low[3 * rowStride])
            l3 = l3.adding(a3, times: left)
            r3 = r3.adding(a3, times: right)
            let a4 = Vector(repeating: high[0])
            l4 = l4.adding(a4, times: left)
            r4 = r4.adding(a4, times: right)
            let a5 = Vector(repeating: high[rowStride])
            l5 = l5.adding(a5, times: left)
            r5 = r5.adding(a5, times: right)
            let a6 = Vector(repeating: high[2 * rowStride])
            l6 = l6.adding(a6, times: left)
            r6 = r6.adding(a6, times: right)
            let a7 = Vector(repeating: high[3 * rowStride])
            l7 = l7.adding(a7, times: left)
            r7 = r7.adding(a7, times: right)
            low += depthStride
            b += width
        }
        store(c, l0, r0, accumulate)
        store(c + ldc, l1, r1, accumulate)
        store(c + 2 * ldc, l2, r2, accumulate)
        store(c + 3 * ldc, l3, r3, accumulate)
        store(c + 4 * ldc, l4, r4, accumulate)
        store(c + 5 * ldc, l5, r5, accumulate)
        store(c + 6 * ldc, l6, r6, accumulate)
        store(c + 7 * ldc, l7, r7, accumulate)
    }

    @inline(__always)
    private static func store(_ c: UnsafeMutablePointer<Float>, _ left: Vector, _ right: Vector, _ accumulate: Bool) {
        if accumulate {
            c.store(c.vector(0) + left, 0)
            c.store(c.vector(lanes) + right, lanes)
        } else {
            c.store(left, 0)
            c.store(right, lanes)
        }
    }

    // MARK: sixteen registers of eight floats

    /// Six rows against either half of the panel: twelve accumulators, two loads and six broadcasts a step.
    @inline(never)
    private static func sixRows(
        _ a: UnsafePointer<Float>, _ rowStride: Int, _ depthStride: Int, _ panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ depth: Int, _ accumulate: Bool
    ) {
        let zero = Vector(repeating: 0)
        for half in Swift.stride(from: 0, to: width, by: lanes) {
            var (s0, s1, s2, s3, s4, s5) = (zero, zero, zero, zero, zero, zero)
            var (low, b) = (a, panel + half)
            for _ in 0..<depth {
                let high = low + 3 * rowStride
                let right = b.vector(0)
                s0 = s0.adding(Vector(repeating: low[0]), times: right)
                s1 = s1.adding(Vector(repeating: low[rowStride]), times: right)
                s2 = s2.adding(Vector(repeating: low[2 * rowStride]), times: right)
                s3 = s3.adding(Vector(repeating: high[0]), times: right)
                s4 = s4.adding(Vector(repeating: high[rowStride]), times: right)
                s5 = s5.adding(Vector(repeating: high[2 * rowStride]), times: right)
                low += depthStride
                b += width
            }
            store(c + half, s0, accumulate)
            store(c + half + ldc, s1, accumulate)
            store(c + half + 2 * ldc, s2, accumulate)
            store(c + half + 3 * ldc, s3, accumulate)
            store(c + half + 4 * ldc, s4, accumulate)
            store(c + half + 5 * ldc, s5, accumulate)
        }
    }

    /// Four rows against either half of the panel.
    @inline(never)
    private static func fourRows(
        _ a: UnsafePointer<Float>, _ rowStride: Int, _ depthStride: Int, _ panel: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int, _ depth: Int, _ accumulate: Bool
    ) {
        let zero = Vector(repeating: 0)
        for half in Swift.stride(from: 0, to: width, by: lanes) {
            var (s0, s1, s2, s3) = (zero, zero, zero, zero)
            var (low, b) = (a, panel + half)
            for _ in 0..<depth {
                let right = b.vector(0)
                s0 = s0.adding(Vector(repeating: low[0]), times: right)
                s1 = s1.adding(Vector(repeating: low[rowStride]), times: right)
                s2 = s2.adding(Vector(repeating: low[2 * rowStride]), times: right)
                s3 = s3.adding(Vector(repeating: low[3 * rowStride]), times: right)
                low += depthStride
                b += width
            }
            store(c + half, s0, accumulate)
            store(c + half + ldc, s1, accumulate)
            store(c + half + 2 * ldc, s2, accumulate)
            store(c + half + 3 * ldc, s3, accumulate)
        }
    }

    @inline(__always)
    private static func store(_ c: UnsafeMutablePointer<Float>, _ value: Vector, _ accumulate: Bool) {
        c.store(accumulate ? c.vector(0) + value : value, 0)
    }

    // MARK: packing

    /// x [R, W]: its panels. Panel p holds columns 32p…32p+31 of every row, with zeros where x ends. They take
    /// ``packedCount(rows:columns:)`` numbers.
    static func pack(_ x: Matrix, into panels: UnsafeMutablePointer<Float>) {
        let (rows, columns, stride, x) = (x.rows, x.columns, x.stride, UnsafePointer(x.pointer))
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

    /// x [R, W]: the panels of scale · xᵀ [W, R]. Panel p holds rows 32p…32p+31 of x as its columns, with zeros where x
    /// ends. They take `packedCount(rows: W, columns: R)` numbers.
    static func packTransposed(_ x: Matrix, scale: Float, into panels: UnsafeMutablePointer<Float>) {
        let (rows, columns, stride, x) = (x.rows, x.columns, x.stride, UnsafePointer(x.pointer))
        for start in Swift.stride(from: 0, to: rows, by: width) {
            let panel = panels + start * columns
            let count = min(width, rows - start)
            let (wholeRows, wholeColumns) = (count / 4 * 4, columns / 4 * 4)
            for row in Swift.stride(from: 0, to: wholeRows, by: 4) {
                for column in Swift.stride(from: 0, to: wholeColumns, by: 4) {
                    let source = x + (start + row) * stride + column
                    transpose(source, stride, scale, into: panel + column * width + row)
                }
            }
            for column in 0..<columns {
                for row in (column < wholeColumns ? wholeRows : 0)..<count {
                    panel[column * width + row] = x[(start + row) * stride + column] * scale
                }
                for row in count..<width { panel[column * width + row] = 0 }
            }
        }
    }

    /// Four columns of four rows, as part of four rows of a panel.
    @inline(__always)
    private static func transpose(
        _ x: UnsafePointer<Float>, _ stride: Int, _ scale: Float, into panel: UnsafeMutablePointer<Float>
    ) {
        @inline(__always)
        func row(_ index: Int) -> SIMD4<Float> {
            UnsafeRawPointer(x + index * stride).loadUnaligned(as: SIMD4<Float>.self) * scale
        }
        let (a, b, c, d) = (row(0), row(1), row(2), row(3))
        for column in 0..<4 {
            UnsafeMutableRawPointer(panel + column * width).storeBytes(
                of: SIMD4(a[column], b[column], c[column], d[column]), as: SIMD4<Float>.self)
        }
    }

    /// The numbers in the panels of a matrix.
    static func packedCount(rows: Int, columns: Int) -> Int { rows * padded(columns) }

    /// `count` rounded up to whole panels.
    static func padded(_ count: Int) -> Int { (count + width - 1) / width * width }
}
