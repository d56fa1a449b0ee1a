import Foundation
import Reports
import Schedules
import Testing

@Suite struct ScheduleReportTests {
    @Test func theJSONIsThatOfThePage() throws {
        let schedule = try ScheduleName.interleaved.schedule(ranks: 2, virtualStages: 2, microbatches: 2)
        #expect(
            ScheduleReport(schedule).json == #"{"schedule":"interleaved-1f1b","ranks":2,"virtualStages":2,"#
                + #""microbatches":2,"stageToRank":[0,1,0,1],"actions":["#
                + #"["0F0","0F1","2F0","2F1","2B0","2B1","0B0","0B1"],"#
                + #"["1F0","1F1","3F0","3B0","3F1","3B1","1B0","1B1"]]}"#)
        #expect(throws: Never.self) {
            try JSONSerialization.jsonObject(with: Data(ScheduleReport(schedule).json.utf8))
        }
    }

    @Test func theTextListsEveryRank() throws {
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        #expect(
            ScheduleReport(schedule).text == """
                1f1b: 2 ranks, 1 stage a rank, 2 micro-batches, 8 actions
                rank 0 (stage 0, holds at most 2): 0F0 0F1 0B0 0B1
                rank 1 (stage 1, holds at most 1): 1F0 1B0 1F1 1B1
                """)
    }

    @Test func theFiguresOfATimeline() throws {
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(ranks: 2, virtualStages: 1, microbatches: 2)
        let json = try TimelineReport(TimelineSamples.small, of: schedule, unit: .steps).json()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["schedule"] as? String == "1f1b")
        #expect(object["unit"] as? String == "steps")
        #expect(object["makespan"] as? Double == 9)
        #expect(object["bubbleSpan"] as? Double == 3)
        let ranks = try #require(object["byRank"] as? [[String: Any]])
        #expect(ranks.map { $0["peakActivations"] as? Int } == [2, 1])
        #expect(ranks.map { $0["busy"] as? Double } == [6, 6])
    }
}
