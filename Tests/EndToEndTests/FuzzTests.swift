import Testing

/// A few thousand of the inputs that `make fuzz` reads by the million.
@Suite struct FuzzTests {
    @Test func nothingTrapsHangsOrStaysSilent() throws {
        let outcome = try BuiltProgram("fuzz").run(["--inputs", "5000", "--commands", "40", "--seed", "20"])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.output.hasSuffix("nothing found\n"))
        let all = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("all ") })
        let past = try #require(all.split(separator: " ").dropFirst(2).first.flatMap { Double($0) })
        #expect(past >= 30, "\(all)")
    }
}
