import Schedules
import Testing

@Suite struct ActionNameTests {
    @Test func everyGoldenNameIsReadAndWrittenBack() throws {
        var count = 0
        for golden in GoldenSchedule.all {
            for name in golden.ranks.joined() {
                #expect(try #require(Action(name)).description == name)
                count += 1
            }
        }
        #expect(count > 3000)
    }

    @Test func theKindsAreReadForWhatTheyAre() throws {
        #expect(Action("0F3") == Action(.forward, stage: 0, microbatch: 3))
        #expect(Action("12B40") == Action(.backward, stage: 12, microbatch: 40))
        #expect(Action("1I2") == Action(.backwardInput, stage: 1, microbatch: 2))
        #expect(Action("1W2") == Action(.backwardWeight, stage: 1, microbatch: 2))
        #expect(
            Action("(0F4;1B2)OVERLAP_F_B")
                == Action(forwardStage: 0, forwardMicrobatch: 4, backwardStage: 1, backwardMicrobatch: 2))
    }

    @Test(arguments: [
        "", "F", "0F", "F0", "0X1", "0F1 ", " 0F1", "-1F0", "0F-1", "0F1;1B2", "(0F1;1B2)", "(0F1;1I2)OVERLAP_F_B",
        "(0B1;1F2)OVERLAP_F_B", "(0F1;1B2)OVERLAP_F_BX", "0F99999999999999999999", "0f1",
    ])
    func nonsenseIsRefused(_ text: String) {
        #expect(Action(text) == nil)
    }
}
