import Foundation
import Schedules
import Testing

/// One entry of `Tests/Goldens/schedules.json`: another tool's action list, with times from an independent simulator.
struct GoldenTimes: Decodable, CustomTestStringConvertible, Sendable {
    struct Peaks: Decodable {
        var peak_release_at_I: [Int]
        var peak_release_at_W: [Int]
    }

    struct Result: Decodable {
        var makespan: Double
        var start: [Double]
        var end: [Double]
        var busy: [Double]
        var bubble_span: Double
    }

    /// Ticks of a whole rank's share of the model for one micro-batch; a stage takes 1/v of them.
    struct Setting: Decodable {
        var F: Double
        var I: Double
        var W: Double
        var comm: Double
        var comm_model: String
        var uneven: Bool?
        /// Time of a fused action as a share of its halves; 1 if left out.
        var fused: Double?
    }

    struct File: Decodable {
        var settings: [String: Setting]
        var schedules: [GoldenTimes]
    }

    var id: String
    var p: Int
    var v: Int
    var m: Int
    var stage_to_rank: [Int]?
    var stage_to_rank_by_direction: [[Int]]?
    var mb_direction_split: Int?
    var ranks: [[String]]
    var peaks: Peaks
    var results: [String: Result]

    var testDescription: String { id }

    var schedule: Schedule {
        get throws {
            let directions = try #require(stage_to_rank_by_direction ?? stage_to_rank.map { [$0] })
            let placement = StagePlacement(
                stageToRank: directions[0], reverseStageToRank: directions.count > 1 ? directions[1] : nil,
                split: mb_direction_split ?? .max)
            return Schedule(
                name: id, ranks: p, virtualStages: v, microbatches: m, placement: placement,
                actions: try ranks.map { try $0.map { try #require(Action($0)) } })
        }
    }

    /// Bidirectional schedules hold each stage twice, so a stage is a whole rank's share. In uneven settings the first
    /// stage takes 5/4 and the last 3/2 of the others.
    func costs(_ setting: Setting, stages: Int) throws -> ActionCosts {
        let divisor = stage_to_rank_by_direction == nil ? Double(v) : 1
        func perStage(_ ticks: Double) -> [Double] {
            (0..<stages).map { stage in
                let weight = setting.uneven != true ? 1 : (stage == 0 ? 1.25 : 1) * (stage == stages - 1 ? 1.5 : 1)
                return ticks * weight / divisor
            }
        }
        return ActionCosts(
            forward: perStage(setting.F), backwardInput: perStage(setting.I), backwardWeight: perStage(setting.W),
            transfer: setting.comm, transferMode: try #require(Self.modes[setting.comm_model]),
            fusedShare: setting.fused ?? 1)
    }

    private static let modes: [String: ActionCosts.TransferMode] = [
        "async": .asynchronous, "link": .link, "blocking": .blocking,
    ]

    static let file: File? = decode("schedules.json")

    static let all = file?.schedules ?? []

    static func decode<Value: Decodable>(_ name: String) -> Value? {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        guard let data = try? Data(contentsOf: tests.appending(path: "Goldens").appending(path: name)) else {
            return nil
        }
        return try? JSONDecoder().decode(Value.self, from: data)
    }
}

/// `Tests/Goldens/transfer_modes.json`: the same lists with busy links, blocking sends, slow transfers and cheap fused
/// actions, timed by the same independent simulator.
struct GoldenTransferModes: Decodable, Sendable {
    struct Result: Decodable {
        var makespan: Double
        var start: [Double]
        var end: [Double]
        var bubble_span: Double
    }

    var settings: [String: GoldenTimes.Setting]
    var results: [String: [String: Result]]

    static let file: GoldenTransferModes? = GoldenTimes.decode("transfer_modes.json")
}
