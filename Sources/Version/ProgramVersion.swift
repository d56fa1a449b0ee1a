/// What `--version` prints, and what tells one build of the programs from another.
package enum ProgramVersion {
    /// The release.
    package static let release = "0.1.0"

    /// The release and, where it was built from a git checkout, the commit: `0.1.0 (d4dfe1e310)`.
    package static var text: String { Commit.name.isEmpty ? release : "\(release) (\(Commit.name))" }
}
