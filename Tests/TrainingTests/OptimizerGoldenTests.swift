import Foundation
import Tensors
import TestSupport
import Testing

/// Numbers with a guard behind them.
private final class Floats {
    private let storage: Storage<Float>
    let count: Int

    init(_ count: Int, fill: (Int) -> Float = { _ in 0 }) {
        self.count = count
        storage = Storage(count: count + 16)
        for index in 0..<count + 16 { storage.pointer[index] = index < count ? fill(index) : -7 }
    }

    var pointer: UnsafeMutablePointer<Float> { storage.pointer }
    var doubles: [Double] { (0..<count).map { Double(storage.pointer[$0]) } }
    var isIntact: Bool { (count..<count + 16).allSatisfy { storage.pointer[$0] == -7 } }

    func matrix(_ rows: Int, _ columns: Int) -> Matrix { Matrix(pointer, rows: rows, columns: columns) }
}

/// Three steps of each optimizer against `Tests/Goldens/optimizers.json` (PyTorch, by `bench/pytorch/optimizers_golden.py`).
@Suite struct OptimizerGoldenTests {
    private struct Golden: Decodable {
        struct Case: Decodable {
            var name: String
            var rows: Int
            var columns: Int
            var parameters: [Double]
        }

        var cases: [Case]
    }

    private static func cases(_ name: String) throws -> [Golden.Case] {
        let path = URL(filePath: "\(Checkout.root)/Tests/Goldens/optimizers.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: path)).cases.filter { $0.name == name }
    }

    private static func start(_ count: Int, _ phase: Double) -> Floats {
        Floats(count) { Float(sin(0.37 * Double($0 * $0) + phase)) }
    }

    private static let (rate, decay) = (0.01, 0.1)

    /// Runs the steps of a case and returns the largest difference from its parameters.
    private func gap(_ golden: Golden.Case, _ step: (Floats, Floats, Int) -> Void) -> Double {
        let count = golden.rows * golden.columns
        let parameters = Self.start(count, 0.2)
        for number in 1...3 { step(parameters, Self.start(count, 1.3 * Double(number)), number) }
        #expect(parameters.isIntact)
        return zip(parameters.doubles, golden.parameters).map { abs($0 - $1) }.max() ?? .infinity
    }

    @Test func muon() throws {
        let muon = Muon(momentum: 0.95, weightDecay: Self.decay)
        let cases = try Self.cases("muon")
        #expect(cases.count == 2)
        for golden in cases {
            let (rows, columns) = (golden.rows, golden.columns)
            let (moment, update) = (Floats(rows * columns), Floats(rows * columns))
            let room = Floats(Muon.room(rows: rows, columns: columns))
            let gap = gap(golden) { parameters, gradients, _ in
                muon.blend(
                    gradients: gradients.pointer, gradientScale: 1, moment: moment.pointer, update: update.pointer,
                    count: rows * columns)
                muon.orthogonalise(update.matrix(rows, columns), room: room.pointer)
                muon.apply(
                    parameters.pointer, update: update.pointer, count: rows * columns, rows: rows, columns: columns,
                    learningRate: Self.rate)
            }
            #expect(gap < 2e-6 && moment.isIntact && update.isIntact && room.isIntact, "\(gap)")
        }
    }

    /// The singular values of a matrix that was orthogonalised lie around 1: those of the quintic's band.
    @Test(arguments: [(5, 5), (3, 40), (64, 16)]) func orthogonalises(_ rows: Int, _ columns: Int) {
        let x = Floats(rows * columns) { Float(sin(0.7 * Double($0 * $0))) }
        let room = Floats(Muon.room(rows: rows, columns: columns))
        Muon().orthogonalise(x.matrix(rows, columns), room: room.pointer)
        #expect(room.isIntact && x.isIntact)
        // The trace of XXᵀ is the sum of their squares.
        let mean = x.doubles.reduce(0) { $0 + $1 * $1 } / Double(min(rows, columns))
        #expect(mean > 0.45 && mean < 1.45, "\(mean)")
    }

    @Test func lion() throws {
        let golden = try #require(try Self.cases("lion").first)
        let moment = Floats(golden.parameters.count)
        let lion = Lion(beta1: 0.9, beta2: 0.99, weightDecay: Self.decay)
        let gap = gap(golden) { parameters, gradients, _ in
            lion.step(
                parameters: parameters.pointer, gradients: gradients.pointer, moment: moment.pointer,
                count: moment.count, learningRate: Self.rate, decay: true)
        }
        #expect(gap < 1e-6 && moment.isIntact)
    }

    @Test(arguments: [("sgd", 0.9), ("sgd without momentum", 0.0)]) func sgd(_ name: String, _ momentum: Double) throws
    {
        let golden = try #require(try Self.cases(name).first)
        let moment = Floats(golden.parameters.count)
        let sgd = SGD(momentum: momentum, weightDecay: Self.decay)
        let gap = gap(golden) { parameters, gradients, _ in
            sgd.step(
                parameters: parameters.pointer, gradients: gradients.pointer,
                moment: momentum > 0 ? moment.pointer : nil, count: moment.count, learningRate: Self.rate, decay: true)
        }
        #expect(gap < 1e-6 && moment.isIntact)
    }

    /// Every moment is rounded to nearest; the update itself uses the moment before it is rounded.
    @Test func adamwWithBF16Moments() throws {
        let golden = try #require(try Self.cases("adamw with bf16 moments").first)
        let count = golden.parameters.count
        let (first, second) = (Storage<BFloat16>(count: count), Storage<BFloat16>(count: count))
        let gap = gap(golden) { parameters, gradients, number in
            AdamW(weightDecay: Self.decay).step(
                parameters: parameters.pointer, gradients: gradients.pointer, firstMoment: first.pointer,
                secondMoment: second.pointer, count: count, step: number, learningRate: Self.rate, decay: true)
        }
        #expect(gap < 1e-4, "\(gap)")
    }
}
