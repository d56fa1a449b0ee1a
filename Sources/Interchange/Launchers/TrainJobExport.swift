internal import Plans

/// Writes a TrainJob of Kubeflow Trainer, and the runtime that it runs on. Each object is a file of its own, since readers of one
/// kind refuse the other.
enum TrainJobExport: Launcher {
    static let target = ExportTarget.trainjob

    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool { false }

    static func files(of job: LaunchedJob) -> [ExportedFile] {
        let name = name(of: job)
        let (object, runtime) =
            switch job.program {
            case .megatronLM(let run): (megatronJob(job, run, name), megatronRuntime(job, run, name))
            case .trainyard(let run): (trainyardJob(job, run, name), trainyardRuntime(job, name))
            }
        return [ExportedFile("trainjob.yaml", object), ExportedFile("runtime.yaml", runtime)]
    }

    private static func name(of job: LaunchedJob) -> String {
        // Its JobSet has the same name, and pods NAME-launcher-0-0-XXXXX or NAME-node-0-INDEX-XXXXX.
        let longest = max("-node-0-\(job.nodes - 1)-abcde".count, "-launcher-0-0-abcde".count)
        return JobName.label(job.name, most: 63 - longest)
    }

    private static func megatronRuntime(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        return """
            \(BatchText.comments(job.comments))#
            # TrainJob (kubeflow/trainer, v1alpha1): \(job.words("node", "GPU")). The runtime says how a job starts again.
            #   kubectl apply -f runtime.yaml -f trainjob.yaml && kubectl logs -f job/\(name)-node-0
            # Yours: the image (PyTorch, with Megatron-LM in /opt/megatron-lm), and the claim.
            \(PodText.limit(job))
            apiVersion: trainer.kubeflow.org/v1alpha1
            kind: TrainingRuntime
            metadata:
              name: \(name)
              labels:
                trainer.kubeflow.org/framework: torch
            spec:
              mlPolicy:
                numNodes: 1 # the job's numNodes replaces it
                torch: {} # sets PET_NNODES, PET_NPROC_PER_NODE, PET_NODE_RANK, PET_MASTER_ADDR, PET_MASTER_PORT for torchrun
              template:
                spec:
                  failurePolicy:
                    maxRestarts: \(job.limit.restarts) # a failed pod starts all again; they go on from the newest checkpoint
                    restartStrategy: BlockingRecreate
                  replicatedJobs:
                    - name: node
                      template:
                        metadata:
                          labels:
                            trainer.kubeflow.org/trainjob-ancestor-step: trainer
                        spec:
                          backoffLimit: 0
                          template:
                            spec:
                              restartPolicy: Never
                              terminationGracePeriodSeconds: 900 # time for the checkpoint that SIGTERM asks for
                              containers:
                                - name: node # \(job.device)
                                  image: megatron-lm:latest
                                  workingDir: /opt/megatron-lm
                                  volumeMounts:
            \(YAMLText.indented(PodText.mounts(plan: false, memory: true), 24))
                              volumes:
            \(YAMLText.indented(PodText.volumes(plan: nil, memory: true), 20))

            """
    }

    /// The object that starts the runtime `name`.
    /// - Parameter rest: what else its `trainer` says.
    private static func object(_ job: LaunchedJob, _ name: String, rest: String) -> String {
        """
        \(BatchText.comments(job.comments))apiVersion: trainer.kubeflow.org/v1alpha1
        kind: TrainJob
        metadata:
          name: \(name)
        spec:
          runtimeRef: {apiGroup: trainer.kubeflow.org, kind: TrainingRuntime, name: \(name)}
          trainer:
            numNodes: \(job.nodes)
            numProcPerNode: \(job.perNode)
        \(rest)

        """
    }

    private static func megatronJob(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let environment =
            run.environment + [("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "800"), ("PYTHONUNBUFFERED", "1")]
        return object(
            job, name,
            rest: """
                    resourcesPerNode:
                      limits: {\(run.resource): \(job.perNode)}
                    env: # PET_* are reserved; PyTorch 2.12 and later wait so long for a checkpoint, 30 s before
                \(PodText.environment(environment, depth: 6))
                    # --numa-binding is an option of PyTorch after 2.6: leave it out before.
                    command: [torchrun, --numa-binding=node, --log-dir=\(PodText.shared)/logs/\(name), --tee=3, pretrain_gpt.py]
                    args:
                \(PodText.arguments(job, run, depth: 6, signal: true))
                """)
    }

    private static func trainyardRuntime(_ job: LaunchedJob, _ name: String) -> String {
        let mounts = PodText.mounts(plan: true, memory: true)
        let volumes = PodText.volumes(plan: name, memory: true)
        return """
            \(BatchText.comments(job.comments))#
            # TrainJob (kubeflow/trainer, v1alpha1): \(job.words("node", "rank")). The launcher pod is one of the nodes.
            #   kubectl create configmap \(name)-plan --from-file=plan.yaml
            #   kubectl apply -f runtime.yaml -f trainjob.yaml && kubectl logs -f job/\(name)-launcher-0
            # Yours: the image (trainyard-train, Open MPI and an SSH server on port 2222), the claim, which holds the text.
            \(PodText.limit(job))
            apiVersion: trainer.kubeflow.org/v1alpha1
            kind: TrainingRuntime
            metadata:
              name: \(name)
            spec:
              mlPolicy:
                numNodes: \(job.nodes)
                mpi:
                  mpiImplementation: OpenMPI
                  numProcPerNode: \(job.perNode) # slots in the hostfile
                  sshAuthMountPath: /home/mpiuser/.ssh
                  runLauncherAsNode: true
              template:
                spec:
                  network:
                    publishNotReadyAddresses: true
                  failurePolicy:
                    maxRestarts: 3
                    restartStrategy: BlockingRecreate
                  successPolicy: # the nodes run an SSH server, which does not end
                    operator: All
                    targetReplicatedJobs: [launcher]
                  replicatedJobs:
                    - name: node
                      template:
                        spec:
                          backoffLimit: 0
                          template:
                            spec:
                              restartPolicy: Never
                              securityContext: {fsGroup: 1000}
                              containers:
                                - name: node
                                  image: trainyard-mpi:latest
                                  securityContext: {runAsUser: 1000}
                                  workingDir: \(PodText.shared)
                                  command: [/usr/sbin/sshd]
                                  args: [-De, -f, /home/mpiuser/.sshd_config]
                                  readinessProbe:
                                    tcpSocket: {port: 2222}
                                    initialDelaySeconds: 5
                                  volumeMounts:
            \(YAMLText.indented(mounts, 24))
                              volumes:
            \(YAMLText.indented(volumes, 20))
                    - name: launcher
                      dependsOn:
                        - {name: node, status: Ready}
                      template:
                        metadata:
                          labels:
                            trainer.kubeflow.org/trainjob-ancestor-step: trainer
                        spec:
                          backoffLimit: 0
                          template:
                            spec:
                              restartPolicy: Never
                              securityContext: {fsGroup: 1000}
                              containers:
                                - name: node
                                  image: trainyard-mpi:latest
                                  securityContext: {runAsUser: 1000}
                                  workingDir: \(PodText.shared)
                                  env:
                                    - name: JOB_UID # all starts of one JobSet have it
                                      valueFrom:
                                        fieldRef: {fieldPath: "metadata.labels['jobset.sigs.k8s.io/jobset-uid']"}
                                  volumeMounts:
            \(YAMLText.indented(mounts, 24))
                              volumes:
            \(YAMLText.indented(volumes, 20))

            """
    }

    private static func trainyardJob(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        object(
            job, name,
            rest: """
                    resourcesPerNode: # a core a rank; \(BatchText.memory(job.peakGiB)) a rank are predicted
                      limits: {cpu: \(job.perNode), memory: \(PodText.mebibytes(job))Mi}
                    env:
                \(PodText.environment(PodText.variables(job, run), depth: 6))
                    command: [/bin/bash, -c]
                    args:
                      - |
                \(YAMLText.indented(PodText.trainyard(job), 8))
                """)
    }
}
