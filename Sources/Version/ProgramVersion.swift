/// The version of this build, as `--version` prints it.
package enum ProgramVersion {
    /// The release.
    package static let release = "0.1.0"

    /// The release and, where it was built from a git checkout, the commit: `0.1.0 (d4dfe1e310)`.
    package static var text: String { Commit.name.isEmpty ? release : "\(release) (\(Commit.name))" }
}
