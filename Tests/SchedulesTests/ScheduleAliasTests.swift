import Schedules
import Testing

@Suite struct ScheduleAliasTests {
    @Test(arguments: [
        ("zb1p", ScheduleName.zeroBubbleH1), ("ZB-H1", .zeroBubbleH1), ("zb2p", .zeroBubbleH2),
        ("1F1B", .oneForwardOneBackward),
        ("Schedule1F1B", .oneForwardOneBackward), ("GPipe", .gpipe), ("ScheduleGPipe", .gpipe),
        ("Interleaved1F1B", .interleaved), ("interleaved_1f1b", .interleaved), ("interleaved", .interleaved),
        ("LoopedBFS", .loopedBFS), ("InterleavedZeroBubble", .interleavedZeroBubble), ("ZBVZeroBubble", .zeroBubbleV),
        ("ScheduleZBVZeroBubble", .zeroBubbleV), ("ZB-V", .zeroBubbleV), ("DualPipeV", .dualPipeV),
        ("DualPipe", .dualPipe),
        ("V-Half", .vHalf), ("vmin", .vMin), ("Chimera", .chimera),
    ])
    func namesInUseAreKnown(_ name: String, _ schedule: ScheduleName) {
        #expect(ScheduleName(named: name) == schedule)
    }

    @Test(arguments: ScheduleName.allCases)
    func everyNameAndAliasMeansOneSchedule(_ name: ScheduleName) {
        #expect(ScheduleName(named: name.rawValue) == name)
        for alias in name.aliases {
            #expect(ScheduleName(named: alias) == name, "\(alias)")
            #expect(ScheduleName(named: alias.uppercased()) == name, "\(alias)")
        }
    }

    @Test(arguments: ["", "-", "schedule", "zb", "1f", "dualpipe v2", "optimal", "auto"])
    func otherWordsAreNone(_ word: String) { #expect(ScheduleName(named: word) == nil) }
}
