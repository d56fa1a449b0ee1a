import Testing

/// Sub-folders of a room read like the rooms themselves: what one needs of another, that one does not need of it.
@Suite struct FolderTests {
    static let rooms = (try? Room.names(in: Room.sources)) ?? []

    /// Circles that are known and not yet mended, each as the folders in it: `"Sources/Plans: Cluster → Layout → Cluster"`.
    static let knownCircles: Set<String> = []

    @Test(arguments: rooms) func foldersNeedOneAnotherOneWayOnly(room: String) throws {
        for circle in try Room(room, in: Room.sources).circles where !Self.knownCircles.contains(circle.folders) {
            Issue.record("\(circle)")
        }
    }

    /// A circle that is mended leaves the list.
    @Test(.enabled(if: !knownCircles.isEmpty)) func everyKnownCircleIsStillThere() throws {
        let found = Set(try Self.rooms.flatMap { try Room($0, in: Room.sources).circles.map(\.folders) })
        #expect(Self.knownCircles.subtracting(found) == [])
    }

    /// No room is read as empty, and names are found in them.
    @Test func everyFileIsRead() throws {
        #expect(Self.rooms.contains("Schedules") && Self.rooms.contains("Training"))
        for name in Self.rooms where !["CMPI", "COneDNN"].contains(name) {
            let room = try Room(name, in: Room.sources)
            #expect(!room.files.isEmpty, "\(name)")
            for file in room.files {
                #expect(!file.types.isEmpty || !file.values.isEmpty || !file.uses.isEmpty, "\(name)/\(file.path)")
            }
        }
    }
}
