"""Deep one-class classification on images, from a data set's name to a model one can question.

    dataset ─> task ─> encoder + objective ─> training ─> detector ─> evaluation
                                                             ├─────> explainers ──> figures ─> page
                                                             ├─────> projections
                                                             └─────> library (a .safetensors file)

One frozen `Experiment` names the whole line; `pipeline.run(experiment)` walks it. The rooms, each
of which imports only from those before it:

    progress     how work tells how far it is, and hears that it should stop
    experiment   every choice of a run, and its content hash
    selection    which images are selected, as text for a link
    digests      files -> digests, remembered until the files change
    catalogue    names of methods, read without loading torch
    header       what the header of a model file may say
    library      model files, what they are called and whose they are
    products     computed arrays on disk, named by what they were computed from
    datasets     a name or a folder of images -> arrays
    corruptions  images -> spoilt images, and where
    tasks        arrays + normal classes -> a one-class problem
    calibration  scores of images not fitted to, and what a threshold from them promises
    evaluation   scores + truth -> AUROC, AP, confusion
    figures      arrays -> Plotly figures and sheets of pictures
    export       a selection of images -> a zip, or one HTML page
    clustering   embeddings -> clusters
    scaling      pixels -> what networks take
    oriented_gradients   pixels -> histograms, without weights
    layers       layers computed in fewer steps than one by one
    networks     images -> embeddings
    backbones    what is not trained here: images -> features
    sphere       thresholds -> radii in the embedding, without torch
    recording    embeddings of a few test images, epoch by epoch
    objectives   embeddings -> loss, anomaly score, sphere
    training     the loops, as generators
    health       reports of a training -> whether it went well
    estimators   vectors -> anomaly scores, after scikit-learn
    detectors    the contract: fit, score, embed, save, load
    projections  embeddings -> coordinates
    explainers   images -> relevance maps
    strategies   relevance maps -> clusters of ways to decide
    honesty      how far relevance maps can be trusted
    pipeline     everything the engine can be asked to do
    worker       what a worker process does with one request
    engine       the worker processes
    jobs         the client of the engine, used by the pages
    benchmark    measures methods, class by class, beside published values
    ready_made   trains the models that come with the program

The server that shows the pages never loads torch, umap or numba: it imports only the rooms before
scaling, sphere, recording, projections, jobs and benchmark.
"""
