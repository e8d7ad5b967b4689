"""Deep one-class classification on images, from a data set's name to a model one can question.

    dataset ─> task ─> encoder + objective ─> training ─> detector ─> evaluation
                                                             ├─────> explainers ──> figures ─> page
                                                             ├─────> projections
                                                             └─────> library (a .safetensors file)

One frozen `Experiment` names the whole line; `pipeline.run(experiment)` walks it. The rooms, each
of which imports only from those before it:

    experiment   every choice of a run, and its content hash
    library      model files
    products     computed arrays on disk, named by what they were computed from
    catalogue    names of methods, read without loading torch
    datasets     a name or a folder of images -> arrays
    corruptions  images -> spoilt images, and where
    tasks        arrays + normal classes -> a one-class problem
    evaluation   scores + truth -> AUROC, AP, confusion
    clustering   embeddings -> clusters
    networks     images -> embeddings
    backbones    pretrained networks: images -> features
    objectives   embeddings -> loss, anomaly score, sphere
    training     the loops, as generators
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
    figures      arrays -> Plotly figures and sprites
    benchmark    measures methods, class by class, beside published values
    ready_made   trains the models that come with the program

The server that shows the pages never loads torch, umap or numba: it imports only experiment,
library, products, catalogue, datasets, corruptions, tasks, evaluation, jobs, figures and
benchmark.
"""
