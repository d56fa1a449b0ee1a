import Foundation
import Reports
import Schedules
import Testing

@Suite struct TimelineTextTests {
    @Test func oneForwardOneBackward() {
        let text = TimelineText(width: 36, unit: .steps).drawing(of: TimelineSamples.small)
        #expect(
            text == """
                rank 0 │F0░F1░······B0▓▓▓▓···B1▓▓▓▓
                rank 1 │···F0░B0▓▓▓▓F1░B1▓▓▓▓······
                       └──────────────┬────────────
                       0              5
                F forward  B backward  · idle
                makespan 9 · bubble 33.3 % of the ranks' time · longest wait of a rank 3
                peak activations 2 1 by rank

                """)
    }

    /// S and T have a letter, a colour and a name of their own, also where exchanges lie between them.
    @Test func passesOfADividedVocabulary() throws {
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(
            PipelineShape(ranks: 2, microbatches: 2, vocabulary: .oneBarrier))
        let spans = schedule.actions.map { list in
            list.enumerated().map { place, action in
                Timeline.Span(.compute, action: action, start: Double(place), end: Double(place + 1))
            } + [Timeline.Span(.collective, start: 8, end: 9)]
        }
        let timeline = Timeline(name: schedule.title, ranks: spans)
        let text = TimelineText(width: 30, unit: .steps).drawing(of: timeline)
        #expect(text.hasPrefix("rank 0 │F0F1S0T0S1B0B1T1--\nrank 1 │F0S0F1B0T0S1B1T1--\n"))
        #expect(text.contains("S output layer: softmax  T output layer: gradients  - communication"))
        let drawing = TimelineSVG(unit: .steps).drawing(of: [timeline])
        #expect(drawing.contains("class=\"s0\"") && drawing.contains("class=\"t0\""))
        #expect(drawing.contains("output layer: softmax") && drawing.contains(".t0{fill:"))
        let trace = timeline.chromeTrace()
        #expect(trace.contains("output softmax") && trace.contains("output gradient") && trace.contains("1T0"))
    }

    @Test func aNarrowDrawingLabelsWhatHasRoom() {
        let text = TimelineText(width: 20, unit: .steps).drawing(of: TimelineSamples.small)
        #expect(text.hasPrefix("rank 0 │FF··B0·B1\nrank 1 │·FB0FB1··\n"))
    }

    @Test func measuredSpansShowTransfersAndOptimizer() {
        let text = TimelineText(width: 80, unit: .seconds).drawing(of: TimelineSamples.measured)
        let rows = text.split(separator: "\n")
        #expect(rows[0].contains("---") && rows[0].hasSuffix("U▒▒▒▒▒"))
        #expect(text.contains("whole step 12 s"))
        #expect(text.contains("makespan 10 s"))
        #expect(text.contains("- communication"))
        #expect(text.contains("U optimizer"))
    }

    @Test func twoTimelinesShareOneAxis() {
        let drawing = TimelineText(width: 80, unit: .seconds)
        let text = drawing.drawing(of: [TimelineSamples.small, TimelineSamples.measured])
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("rank") }
        #expect(rows.count == 4)
        #expect(Set(rows.map(\.count)).count == 1)
        // Nine of twelve seconds: the shorter one ends where a quarter is left.
        let columns = rows[0].count - "rank 0 │".count
        #expect(rows[0].suffix(columns / 4).allSatisfy { $0 == "·" })
        #expect(!rows[0].dropLast(columns / 4).hasSuffix("·"))
        #expect(text.components(separatedBy: "└").count == 2)
    }

    @Test func actionsBelowAColumnAreDrawnTogether() {
        let text = TimelineText(width: 60, unit: .steps).drawing(of: TimelineSamples.dense)
        let row = text.split(separator: "\n")[0].drop { $0 != "│" }.dropFirst()
        #expect(row.allSatisfy { $0 == "▒" })
        #expect(text.contains("▒ forwards and backwards"))
        #expect(text.contains("bubble 0.0 %"))
    }

    @Test func manyRanksAreThinnedOut() {
        let timeline = Timeline(name: "wide", ranks: (0..<100).map { _ in [TimelineSamples.compute("0F0", 0, 1)] })
        let text = TimelineText(width: 60, rows: 30, unit: .steps).drawing(of: timeline)
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("rank") }.count == 25)
        #expect(text.contains("(one rank in 4 of 100)"))
    }

    @Test func coloursOnlyWhenAsked() {
        #expect(!TimelineText(unit: .steps).drawing(of: TimelineSamples.small).contains("\u{1B}"))
        let coloured = TimelineText(isColoured: true, unit: .steps).drawing(of: TimelineSamples.small)
        #expect(coloured.contains("\u{1B}[0;38;5;231;48;5;26mF0"))
        #expect(coloured.contains("\u{1B}[0m\n"))
    }

    @Test func nothingToDrawIsNoCrash() {
        for timeline in [Timeline(name: "", ranks: []), Timeline(name: "", ranks: [[], []])] {
            #expect(TimelineText().drawing(of: timeline).contains("makespan 0"))
            #expect(TimelineSVG().drawing(of: timeline).hasSuffix("</svg>\n"))
        }
    }
}
