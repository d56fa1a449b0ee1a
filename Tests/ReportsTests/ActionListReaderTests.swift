import Reports
import Schedules
import Testing

/// Action lists from files.
@Suite struct ActionListReaderTests {
    @Test(arguments: ScheduleName.allCases)
    func readsWhatTheScheduleCommandPrints(_ name: ScheduleName) throws {
        let schedule = try name.schedule(
            ranks: 4, virtualStages: name.fixedVirtualStages ?? 2, microbatches: 8)
        #expect(try ActionListReader.read(ScheduleReport(schedule).json, name: "file") == schedule)
    }

    /// Lists with S and T say in JSON what waits for them.
    @Test(arguments: VocabularyParallel.allCases)
    func readsListsOfADividedVocabulary(_ vocabulary: VocabularyParallel) throws {
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(
            PipelineShape(ranks: 3, microbatches: 5, vocabulary: vocabulary))
        let json = ScheduleReport(schedule).json
        #expect(try ActionListReader.read(json, name: "file") == schedule)
        #expect(ScheduleReport(schedule).text.hasPrefix("1f1b \(vocabulary.rawValue): 3 ranks"))
        let unsaid = json.replacing("\"vocabularyParallel\":\"\(vocabulary.rawValue)\",", with: "")
        for (text, message) in [
            (unsaid, "its lists have S and T; JSON with \"vocabularyParallel\", vocab-1 or vocab-2, says what waits"),
            (
                json.replacing(vocabulary.rawValue, with: "vocab-3"),
                "its vocabularyParallel is \"vocab-3\"; it must be vocab-1"
            ),
        ] {
            let problem = #expect(throws: ActionListProblem.self) { try ActionListReader.read(text, name: "file") }
            #expect(problem?.description.contains(message) == true, "\(problem?.description ?? "")")
        }
    }

    /// Rows alone say where the stages live, in one direction or two.
    @Test(arguments: ScheduleName.allCases)
    func rowsOfCellsAreEnough(_ name: ScheduleName) throws {
        let schedule = try name.schedule(
            ranks: 4, virtualStages: name.fixedVirtualStages ?? 2, microbatches: 8)
        let rows = schedule.actions.map { $0.map(\.description).joined(separator: ",") }.joined(separator: "\n")
        let read = try ActionListReader.read(rows, name: "file")
        #expect(read.actions == schedule.actions)
        #expect(read.placement == schedule.placement)
        #expect(read.microbatches == 8 && read.ranks == 4)
        try read.validate()
    }

    @Test func emptyCellsArePauses() throws {
        let read = try ActionListReader.read("0F0,,0B0\r\n ,\"1F0\",1B0,\n\n", name: "file")
        #expect(read.actions.map { $0.map(\.description) } == [["0F0", "0B0"], ["1F0", "1B0"]])
        #expect(try ActionListReader.read(#"[["0F0","0B0"]]"#, name: "file").ranks == 1)
    }

    @Test(arguments: [
        ("", "there is no list in it"),
        ("{}", "its JSON has no \"actions\""),
        ("{\"actions\":3}", "its JSON has something else than expected at actions"),
        ("[1", "it is not the JSON of `trainyard schedule --json`"),
        ("0F0,0X0", "rank 0, position 1: \"0X0\" is no action"),
        ("0F0\n1F0,1SEND_F0", "rank 1, position 1: \"1SEND_F0\" is no action"),
        ("{\"ranks\":3,\"actions\":[[\"0F0\"]]}", "it says 3 ranks and holds 1 lists"),
        ("0F0,0B999999999", "cannot be all of 1 stages × 1000000000 micro-batches"),
        ("999999999F0,0B1", "cannot be all of 1000000000 stages × 2 micro-batches"),
    ])
    func whatIsNoListIsRefused(_ text: String, _ message: String) {
        let problem = #expect(throws: ActionListProblem.self) { try ActionListReader.read(text, name: "file") }
        #expect(problem?.description.contains(message) == true, "\(problem?.description ?? "")")
    }

    @Test(arguments: [
        ("0F0,0F1,0B0,0B1\n1F0,1B0,1F1", "rank 1, none of positions 0 to 2, 1B1: missing"),
        ("0F0,0F1,0B0\n1F0,1B0,1F1,1B1", "rank 0, none of positions 0 to 2, 0B1: missing"),
        ("0F0,0I0\n1F0,1I0,1W0", "rank 0, none of positions 0 to 1, 0W0: missing"),
        ("0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1,1B1", "rank 1, position 4, 1B1: done twice"),
        ("0F0,0F1,0B0,1B1\n1F0,1B0,1F1,0B1", "rank 0, position 3, 1B1: this stage lives on rank 1"),
        ("0B0,0F0", "rank 0, position 0, 0B0: comes before 0F0"),
        (
            "0F0,0B0,0F1,0B1\n1F1,1F0,1B1,1B0",
            "deadlock: (rank 0, position 1, 0B0) waits for (rank 1, position 0, 1F1) waits for (rank 0, position 1, 0B0)"
        ),
    ])
    func theRuleThatListsBreakNamesRankPositionAndAction(_ rows: String, _ words: String) throws {
        let schedule = try ActionListReader.read(rows, name: "file")
        let violation = try #require(throws: ScheduleViolation.self) { try schedule.validate() }
        #expect(schedule.words(violation).hasPrefix(words), "\(schedule.words(violation))")
    }
}
