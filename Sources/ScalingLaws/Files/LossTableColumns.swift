internal import Foundation
internal import Numbers
internal import Reading

/// Which column of a table holds what.
struct LossTableColumns {
    enum Column: String, CaseIterable {
        case parameters, tokens, loss, flops, name, vocab, unit, role

        /// Names in lower case without other characters than letters and digits.
        var names: [String] {
            switch self {
            case .parameters:
                ["parameters", "params", "n", "modelsize", "size", "nparams", "numparams", "modelparameters"]
            case .tokens: ["tokens", "d", "trainingtokens", "traintokens", "ntokens", "numtokens", "tokensseen"]
            case .loss:
                [
                    "loss", "finalloss", "validationloss", "valloss", "testloss", "evalloss", "trainloss",
                    "trainingloss",
                    "lossnats", "natspertoken", "crossentropy",
                ] + Self.bits
            case .flops:
                ["flops", "flop", "c", "compute", "trainingflops", "trainingflop", "trainflops", "budget"]
            case .name: ["name", "run", "model", "id", "runname"]
            case .vocab: ["vocab", "vocabulary", "vocabsize"]
            case .unit: ["unit", "units", "lossunit"]
            case .role: ["role"]
            }
        }

        /// Names of a column of losses that say bits.
        static let bits = ["lossbits", "bits", "bitspertoken", "bpt", "lossinbits"]
        /// Names of a column of losses by byte or character, which no law takes.
        static let byCharacter = ["bpb", "bitsperbyte", "bpc", "bitspercharacter", "bitsperchar", "natsperbyte"]
    }

    private let file: String
    private let asked: LossTable.Unit?
    private var places: [Column: Int] = [:]
    private var isInBits = false
    /// The name of every column as it is written.
    private let heads: [String]

    /// Nats of an untrained model with a vocabulary of 256,000: no trained one has more.
    private static let mostNats = log(256_000.0)

    init(_ head: LossTableRows.Row, file: String, unit: LossTable.Unit?) throws(PlanProblems) {
        (self.file, asked) = (file, unit)
        heads = head.cells.map(\.text)
        var problems: [PlanProblem] = []
        func report(_ place: Int?, _ field: String, value: String = "", _ rule: String, _ fix: String) {
            problems.append(
                PlanProblem(
                    file: file, line: head.line, column: place.map { head.cells[$0].column }, field: field,
                    value: value, rule: rule, fix: fix))
        }
        for (place, cell) in head.cells.enumerated() {
            let folded = String(cell.text.lowercased().filter { $0.isLetter || $0.isNumber })
            if Column.byCharacter.contains(folded) {
                report(
                    place, cell.text, "is a loss by byte or character, and laws are in nats a token",
                    "multiply by ln 2 and by the bytes of a token, and call the column loss")
            }
            guard let column = Column.allCases.first(where: { $0.names.contains(folded) }) else { continue }
            if let earlier = places[column] {
                report(
                    place, cell.text, "and \(heads[earlier]) both state the \(column.rawValue)", "keep one of them")
            }
            places[column] = place
            if column == .loss, Column.bits.contains(folded) {
                isInBits = true
                if unit == nil {
                    report(
                        place, cell.text, "says bits, and laws are in nats",
                        "confirm with --loss-unit bits (they are then multiplied by ln 2), or --loss-unit nats")
                }
            }
        }
        let sizes = [Column.parameters, .tokens, .flops].filter { places[$0] != nil }
        if !sizes.contains(.parameters), sizes.count < 2 { missing(.parameters) }
        if !sizes.contains(.tokens), sizes.count < 2 { missing(.tokens) }
        if places[.loss] == nil, problems.isEmpty { missing(.loss) }
        func missing(_ column: Column) {
            let near = heads.compactMap { Spelling.nearest(to: $0, among: column.names) == nil ? nil : $0 }.first {
                !places.values.contains(heads.firstIndex(of: $0) ?? -1)
            }
            report(
                nil, column.rawValue, "is missing among the columns \(heads.joined(separator: ", "))",
                near.map { "is \($0) meant? call it \(column.rawValue)" }
                    ?? "the first line names the columns: parameters,tokens,loss")
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
    }

    /// The run of a row, and whether it is held back; nil where a problem was found.
    func point(_ row: LossTableRows.Row, problems: inout [PlanProblem]) -> (LossPoint, isHeld: Bool)? {
        let before = problems.count
        func cell(_ column: Column) -> LossTableRows.Cell? {
            places[column].flatMap { row.cells.indices.contains($0) ? row.cells[$0] : nil }
        }
        func report(_ column: Column, _ value: String, _ rule: String, _ fix: String = "") {
            problems.append(
                PlanProblem(
                    file: file, line: row.line, column: cell(column)?.column,
                    field: places[column].map { heads[$0] } ?? column.rawValue, value: value, rule: rule, fix: fix))
        }
        func number(_ column: Column, _ unit: Quantity.Unit) -> Double? {
            guard places[column] != nil else { return nil }
            guard let text = cell(column)?.text, !text.isEmpty else {
                report(column, "", "has no value", "write it, or take the run out")
                return nil
            }
            do throws(Quantity.Failure) {
                let value = try Quantity.parse(text, as: unit)
                if value > 0, value <= Bounds.positive.upperBound { return value }
                report(column, text, "must be above zero and below 1e30")
            } catch {
                report(
                    column, text, error == .notFinite ? "must be finite" : "is not \(unit.example)",
                    error == .notFinite ? "a run that diverged belongs in no fit: take it out" : "")
            }
            return nil
        }
        let (parameters, tokens, flops) = (number(.parameters, .count), number(.tokens, .count), number(.flops, .flops))
        let stated = number(.loss, .plain)
        let unit = unit(row, cell(.unit), report)
        let vocab = number(.vocab, .count)
        let role = cell(.role)?.text.lowercased() ?? ""
        if !["", "fitted", "fit", "held"].contains(role) { report(.role, role, "must be fitted or held") }
        guard problems.count == before, let stated else { return nil }
        let loss = stated * unit.nats
        let most = vocab.map(log) ?? Self.mostNats
        if asked == nil, loss > most {
            report(
                .loss, Figures.plain(stated),
                "is more than an untrained model has, ln \(vocab.map(Figures.plain) ?? "256000") = \(Figures.fixed(most, 2)) nats: "
                    + "are these bits?",
                "say --loss-unit bits (they are then multiplied by ln 2), or --loss-unit nats")
            return nil
        }
        let product = flops.map { $0 / 6 }
        let size = parameters ?? product.flatMap { product in tokens.map { product / $0 } }
        let length = tokens ?? product.flatMap { product in parameters.map { product / $0 } }
        guard let size, let length else { return nil }
        let name = cell(.name)?.text
        return (
            LossPoint(parameters: size, tokens: length, loss: loss, name: name?.isEmpty == false ? name : nil),
            role == "held"
        )
    }

    private func unit(
        _ row: LossTableRows.Row, _ cell: LossTableRows.Cell?, _ report: (Column, String, String, String) -> Void
    ) -> LossTable.Unit {
        guard let text = cell?.text.lowercased(), !text.isEmpty else { return asked ?? .nats }
        // A row that says nats needs no confirmation.
        if text == "nats" || text == "nat" { return .nats }
        if text == "bits" || text == "bit" {
            if let asked { return asked }
            report(
                .unit, text, "says bits, and laws are in nats",
                "confirm with --loss-unit bits (they are then multiplied by ln 2), or --loss-unit nats")
        } else {
            report(.unit, text, "must be nats or bits", "")
        }
        return .nats
    }
}
