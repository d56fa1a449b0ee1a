import Foundation
import Schedules
import Testing

/// One entry of `Tests/Goldens/schedules.json`: an action list as another tool makes it.
struct GoldenSchedule: Decodable, CustomTestStringConvertible, Sendable {
    struct Peaks: Decodable {
        var peak_release_at_I: [Int]
        var peak_release_at_W: [Int]
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

    var testDescription: String { id }

    var actions: [[Action]] { get throws { try ranks.map { try $0.map { try #require(Action($0)) } } } }

    var schedule: Schedule {
        get throws {
            let directions = try #require(stage_to_rank_by_direction ?? stage_to_rank.map { [$0] })
            let placement = StagePlacement(
                stageToRank: directions[0], reverseStageToRank: directions.count > 1 ? directions[1] : nil,
                split: mb_direction_split ?? .max)
            return Schedule(
                name: id, ranks: p, virtualStages: v, microbatches: m, placement: placement, actions: try actions)
        }
    }

    static let all: [GoldenSchedule] = {
        struct File: Decodable { var schedules: [GoldenSchedule] }
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        guard let data = try? Data(contentsOf: tests.appending(path: "Goldens/schedules.json")),
            let file = try? JSONDecoder().decode(File.self, from: data)
        else { return [] }
        return file.schedules
    }()
}
