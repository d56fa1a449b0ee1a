package import Campaigns
internal import Models
internal import Numbers
internal import Plans

/// The fewest devices of each kind on which a model fits: a table, or one JSON document.
package struct SmallestClustersReport: Encodable, Sendable {
    private struct Row: Encodable, Sendable {
        var cluster, device: String
        var memoryGiB: Double
        /// By use: fewest devices by memory; null: none up to `mostDevices`.
        var devices: [String: Int?]
        /// By use: fewest devices that end before the deadline, and the days they take.
        var byDeadline: [String: Int?]?
        var days: [String: Double]?
    }

    private let model: String
    private let parameters: Int
    private let batch, promptTokens, outputTokens: Int
    private let tokens, deadlineDays: Double?
    private let adapterRank: Int
    private let mostDevices: Int
    private let rows: [Row]

    package init(_ found: SmallestClusters, name: String) {
        let question = found.question
        model = name
        parameters = question.model.parameters().total
        (batch, promptTokens, outputTokens) = (question.batch, question.prompt, question.output)
        (tokens, deadlineDays) = (question.tokens, question.days)
        (adapterRank, mostDevices) = (SmallestClusters.rank, SmallestClusters.most)
        rows = found.rows.map { row in
            func table<Value>(_ path: KeyPath<SmallestClusters.Cell, Value>, trains: Bool = false) -> [String: Value] {
                let uses = SmallestClusters.Use.allCases.filter { !trains || $0.trains }
                return Dictionary(
                    uniqueKeysWithValues: uses.compactMap { use in
                        row.cells[use].map { (use.rawValue, $0[keyPath: path]) }
                    })
            }
            let asksTime = question.days != nil
            return Row(
                cluster: row.cluster.name, device: row.cluster.device.name,
                memoryGiB: Figures.gib(row.cluster.device.memoryBytes), devices: table(\.devices),
                byDeadline: asksTime ? table(\.byDeadline, trains: true) : nil,
                days: asksTime ? table(\.days, trains: true).compactMapValues(\.self) : nil)
        }
    }

    package func json() throws -> String { try JSONDocument.text(self) }

    /// - Parameter width: columns that the table must fit in; nil: any number.
    package func text(width: Int? = nil) -> String {
        let uses = SmallestClusters.Use.allCases
        let timed = deadlineDays == nil ? [] : uses.filter(\.trains)
        let head =
            ["cluster", "GiB"] + uses.map(Self.name) + timed.map { Self.name($0) + " in time" }
        let table = rows.map { row in
            [row.cluster, Figures.fixed(row.memoryGiB, 1)] + uses.map { Self.count(row.devices[$0.rawValue]) }
                + timed.map { Self.count(row.byDeadline?[$0.rawValue]) }
        }
        let deadline = deadlineDays.map {
            " In time: \(Figures.words(tokens ?? 0)) tokens in \(Figures.plain($0)) days, by the fastest layout."
        }
        let explanation =
            "The fewest devices whose memory holds it; -: more than \(Figures.grouped(mostDevices)). Training: AdamW, the "
            + "model's own sequences, adapters of rank \(adapterRank) in all matrices. Answers: weights in 16, 8 and 4 bits, "
            + "\(Figures.grouped(batch)) sequence\(batch == 1 ? "" : "s") of \(Figures.grouped(promptTokens + outputTokens)) tokens."
            + (deadline ?? "")
        return
            (["\(model): \(Figures.words(Double(parameters))) parameters", ""]
            + Table(head: head, rows: table).lines(fitting: width, dropping: ["GiB"]) + [""]
            + Wrapped.lines(explanation, width: width ?? 100)).joined(separator: "\n")
    }

    private static func count(_ devices: Int??) -> String { devices.flatMap { $0 }.map(Figures.grouped) ?? "-" }

    private static func name(_ use: SmallestClusters.Use) -> String {
        switch use {
        case .full: "train"
        case .lora: "LoRA"
        case .qlora: "QLoRA"
        case .answer16: "16 bit"
        case .answer8: "8 bit"
        case .answer4: "4 bit"
        }
    }
}
