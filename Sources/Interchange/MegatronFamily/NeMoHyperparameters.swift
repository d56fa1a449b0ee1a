extension NeMoFirst {
    /// The learning rate and its course, which NeMo 1 names by classes of its own.
    static func passCourse(_ translation: inout MegatronTranslation, _ section: String) {
        translation.pass("lr", section + "lr")
        translation.pass("weight_decay", section + "weight_decay")
        translation.pass("adam_eps", section + "eps")
        translation.pass("min_lr", section + "sched.min_lr")
        translation.pass("clip_grad", "trainer.gradient_clip_val")
        translation.pass("seed", "model.seed")
        translation.passBetas(section + "betas")
        translation.pass("lr_warmup_iters", section + "sched.warmup_steps")
        translation.passSchedule(section + "sched.name")
    }
}

extension NeMoSecond {
    /// The warm-up of the learning rate, its end and its course. The rest stands under Megatron-Core's own names.
    static func passCourse(_ translation: inout MegatronTranslation) {
        translation.pass("lr_warmup_iters", "optim.lr_scheduler.warmup_steps")
        translation.pass("min_lr", "optim.lr_scheduler.min_lr")
        translation.passSchedule("optim.lr_scheduler._target_")
    }
}
