import Foundation
import Reading
import ScalingLaws
import Testing

/// Runs from which no law can be told, and tables that cannot be read.
@Suite struct RefusalTests {
    private func refusal(_ points: [LossPoint], tied: Bool = false) -> FitRefusal? {
        var settings = FitSettings()
        (settings.resamples, settings.tiesExponents) = (0, tied)
        do throws(FitRefusal) {
            _ = try LawFit(points, settings: settings)
            return nil
        } catch { return error }
    }

    private func runs(_ pairs: [(Double, Double)]) -> [LossPoint] {
        pairs.map { LossPoint(parameters: $0, tokens: $1, loss: FitTests.hoffmann.loss(parameters: $0, tokens: $1)) }
    }

    @Test func tooFewOrTooAlike() {
        let sizes = [1e7, 2e7, 4e7, 8e7]
        func grid(_ tokens: [Double]) -> [LossPoint] { runs(sizes.flatMap { size in tokens.map { (size, $0) } }) }
        #expect(refusal([]) == .tooFew(points: 0, needed: 7, constants: 5))
        #expect(refusal(runs([(1e7, 1e8), (2e7, 1e8)])) == .tooFew(points: 2, needed: 7, constants: 5))
        #expect(refusal(runs((1...9).map { (1e7, 1e8 * Double($0)) })) == .fewSizes(1, needed: 3))
        #expect(refusal(grid([1e9, 1.001e9])) == .fewTokens(1, needed: 3))
        #expect(refusal(grid([1e9, 4e9])) == .fewTokens(2, needed: 3))
        // One exponent for both needs only two.
        #expect(refusal(grid([1e9, 4e9]), tied: true) == nil)
        let near = (0..<9).map { (step: Int) -> (Double, Double) in
            let size: Double = 1e7 * (1 + 0.07 * Double(step))
            return (size, 1e8 * pow(1.5, Double(step % 3)))
        }
        guard case .sizesAlike? = refusal(runs(near)) else { return #expect(Bool(false)) }
        // The same tokens a parameter, and one budget.
        for power in [1.0, -1] {
            let line = (0..<12).map { (step: Int) -> (Double, Double) in
                let size: Double = 1e7 * pow(1.6, Double(step))
                return (size, 2e9 * pow(size / 1e8, power))
            }
            guard case .tokensFollowSize(let found)? = refusal(runs(line)) else { return #expect(Bool(false)) }
            #expect(abs(found - power) < 1e-9)
        }
        var broken = grid([1e8, 1e9, 1e10])
        for value in [Double.nan, .infinity, 0, -1] {
            broken[4].loss = value
            #expect(refusal(broken) == .unusable(point: 4))
        }
        // Every refusal says what to do.
        #expect(refusal(runs([(1e7, 1e8)]))?.description.contains("at least 7 are needed, 6 more") == true)
    }

    /// Losses that follow no such law, or are all the same, end with an answer or a refusal, never with a trap.
    @Test(arguments: [1e-300, 3, 1e300])
    func strangeLosses(_ loss: Double) {
        let points = [1e6, 1e7, 1e8].flatMap { size in
            [1e8, 1e9, 1e10].map { LossPoint(parameters: size, tokens: $0, loss: loss) }
        }
        var settings = FitSettings()
        settings.resamples = 20
        guard let fit = try? LawFit(points, settings: settings) else { return }
        #expect(abs(fit.law.loss(parameters: 1e7, tokens: 1e9) / loss - 1) < 0.01)
        _ = fit.reach
    }

    private func problems(_ text: String, unit: LossTable.Unit? = nil) -> String {
        do throws(PlanProblems) {
            _ = try LossTable(text, file: "runs.csv", unit: unit)
            return ""
        } catch { return error.description }
    }

    @Test func tablesNameRowAndColumn() {
        let head = "parameters,tokens,loss\n"
        #expect(problems("").contains("runs.csv: is empty"))
        #expect(problems(head).contains("has no run"))
        #expect(
            problems(head + "1e7,1e9,3.1\n2e7,,3\n")
                == "runs.csv:3:5: tokens: has no value; write it, or take the run out")
        #expect(problems(head + "1e7,1e9,nan\n").hasPrefix("runs.csv:2:9: loss: must be finite (found nan)"))
        #expect(problems(head + "1e7,-1e9,3\n").contains("runs.csv:2:5: tokens: must be above zero"))
        #expect(problems(head + "1e7,1e9\n").contains("runs.csv:2: loss: has no value"))
        #expect(problems(head + "x,1e9,3\n").contains("runs.csv:2:1: parameters: is not a number such as"))
        #expect(problems("parameters,loss\n1e7,3\n").contains("tokens: is missing among the columns parameters, loss"))
        #expect(problems("N,D,loss,val_loss\n1e7,1e9,3,3\n").contains("and loss both state the loss; keep one"))
        // All problems at once.
        #expect(problems(head + "a,1,1\n1,b,1\n").split(separator: "\n").count == 2)
    }

    @Test func bitsAreAskedAbout() {
        let bits = "parameters,tokens,bits\n1e7,1e9,4.5\n"
        #expect(
            problems(bits).contains(
                "runs.csv:1:19: bits: says bits, and laws are in nats; confirm with --loss-unit bits"))
        #expect(problems("parameters,tokens,loss,unit\n1e7,1e9,4.5,bits\n").contains("runs.csv:2:13: unit: says bits"))
        #expect(
            problems("parameters,tokens,loss,vocab\n1e7,1e9,6,256\n").contains("ln 256 = 5.55 nats: are these bits?"))
        #expect(problems("parameters,tokens,loss\n1e7,1e9,14\n").contains("are these bits?"))
        #expect(problems("parameters,tokens,bpb\n1e7,1e9,0.9\n").contains("is a loss by byte or character"))
        let table = try? LossTable(bits, file: "runs.csv", unit: .bits)
        #expect(abs((table?.points.first?.loss ?? 0) - 4.5 * log(2)) < 1e-12)
    }

    @Test func tablesAreReadInManyForms() throws {
        let text =
            "\u{FEFF}# ours\nRun;Model Size;Training FLOP;Final Loss;role\n\n\"a;b\";10M;6e16;3.5;\nc;20M;2.4e17;3.1;held\n"
        let table = try LossTable(text, file: "t", unit: nil)
        #expect(table.points == [LossPoint(parameters: 1e7, tokens: 1e9, loss: 3.5, name: "a;b")])
        #expect(table.held == [LossPoint(parameters: 2e7, tokens: 2e9, loss: 3.1, name: "c")])
    }

    /// Bits are asked about and then converted; rows that say nats stay as they are.
    @Test func unitsOfRowsAreTheirOwn() throws {
        let text = "parameters,tokens,loss,unit\n1e7,1e9,3,nats\n2e7,2e9,4,bits\n3e7,3e9,5,\n"
        let table = try LossTable(text, file: "runs.csv", unit: .bits)
        let expected = [3, 4 * 0.6931471805599453, 5 * 0.6931471805599453]
        #expect(zip(table.points.map(\.loss), expected).allSatisfy { abs($0 - $1) < 1e-12 } && table.points.count == 3)
    }

    @Test func runsThatAreAllHeldBackAreNoFit() {
        do {
            _ = try LossTable("role,parameters,tokens,loss\nheld,1e7,1e9,3\n", file: "runs.csv", unit: nil)
            Issue.record("nothing is left to fit")
        } catch {
            #expect("\(error)".contains("holds all of its runs back"))
        }
    }

    /// Losses that rise, or stay as they are, have no best size.
    @Test(arguments: [0.1, 0]) func lossesThatDoNotFallAreNoLaw(exponent: Double) {
        let points = [1e7, 1e8, 1e9].flatMap { size in
            [1e9, 1e10, 1e11].map { tokens in
                LossPoint(
                    parameters: size, tokens: tokens,
                    loss: 2 + 1e-3 * pow(size, exponent) + 1e-3 * pow(tokens, exponent))
            }
        }
        #expect(throws: FitRefusal.self) { try LawFit(points) }
    }
}
