# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What Nav2 makes of our outputs with the snippets in config/, each of its traps included."""

import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.filter_masks import keepout_mask
from segformer_ros.costmap.filter_masks import speed_mask
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.points import LABELLED_FIELDS
from segformer_ros.costmap.points import LABELLED_STEP
from segformer_ros.costmap.points import POINT_FIELDS
from segformer_ros.costmap.points import POINT_STEP
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive.nav2_rules import Costmap
from segformer_ros.evaluation.drive.nav2_rules import FREE
from segformer_ros.evaluation.drive.nav2_rules import Grid
from segformer_ros.evaluation.drive.nav2_rules import LETHAL
from segformer_ros.evaluation.drive.nav2_rules import Nav2Error
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import load_grouping
from support import nav2_node_rules
from support.pinhole_camera import camera_model
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
from support.voxel_layer import VoxelLayer
import yaml

ADE20K = load_class_table('ade20k')
COSTS = load_cost_table('outdoor', ADE20K)
CAMERA = camera_model(PINHOLE)
MOUNT = mount_pose(0.8, 0.35, x=0.2)
FIELDS = [tuple(field) for field in POINT_FIELDS]
# A path with grass to its left and a box ahead on the right, in odom.
SCENE = Scene(ADE20K.id_of('path'), (Patch(0.0, 0.3, 6.0, 6.0, ADE20K.id_of('grass')),),
              (Box(3.0, -0.6, 0.4, 0.4, ADE20K.id_of('box')),), ADE20K.id_of('sky'))


def snippet(project_root, name):
    with open(f'{project_root}/config/{name}.yaml', encoding='utf-8') as stream:
        return yaml.safe_load(stream)


def costmap_of(project_root, name):
    """Return the parameters of the costmap in a snippet."""
    costmap = next(part for key, part in snippet(project_root, name).items()
                   if key.endswith('costmap'))
    return next(iter(costmap.values()))['ros__parameters']


@pytest.fixture
def local(project_root):
    return snippet(project_root, 'nav2_local_costmap')['local_costmap']['local_costmap'][
        'ros__parameters']


def labels_at(odom_from_ground, scene=SCENE):
    return scene.render(PINHOLE, odom_from_ground.dot(MOUNT)).labels


def drive(poses, scene=SCENE):
    """Return the stage and the last result after a frame at each pose, 0.1 s apart."""
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    result = None
    for step, pose in enumerate(poses):
        result = stage.process('front', CameraView(labels_at(pose, scene), None, CAMERA,
                                                   CameraPose(pose, MOUNT), 10.0 + 0.1 * step))
    return stage, result, 10.0 + 0.1 * (len(poses) - 1)


def grid_of(stage, now):
    occupancy = stage.occupancy(now)
    return Grid(occupancy.values, occupancy.geometry.origin_x, occupancy.geometry.origin_y,
                occupancy.geometry.resolution)


def cloud_in_odom(cloud, pose):
    """Return what Nav2 reads from a cloud's bytes, moved from the ground frame into odom."""
    points = nav2_rules.read_cloud(FIELDS, cloud.tobytes(), POINT_STEP, len(cloud))
    return points.dot(pose[:3, :3].T) + pose[:3, 3]


@pytest.mark.smoke
def test_graded_costs_reach_the_local_costmap_as_meant(local):
    stage, _, now = drive([planar_pose(0.0, 0.0, 0.0)] * 3)
    master = Costmap(local['width'], local['resolution'])
    nav2_rules.static_layer(master, grid_of(stage, now), local)
    # path 5 and grass 50 of 100 become the same shares of 254.
    assert master.cost_at(2.0, 0.0) == int(5 / 100 * 254)
    assert master.cost_at(2.0, 0.6) == int(50 / 100 * 254)
    assert LETHAL in [master.cost_at(x, y) for x in (2.75, 2.8, 2.85) for y in (-0.6, -0.5)]
    # Not seen: free in this snippet.
    assert master.cost_at(-2.0, 0.0) == FREE


def test_every_value_of_ours_is_lethal_only_if_meant_and_never_near_lethal(local):
    costs = [nav2_rules.interpret_value(value, local) for value in list(range(99)) + [100]]
    assert costs[:-1] == sorted(costs[:-1]) and costs[-1] == LETHAL
    assert max(costs[:-1]) == 248 and len(set(costs)) == 100
    # The traps that the snippet avoids: with the defaults the grades are gone, and 99 would be
    # inside the inscribed radius or next to it.
    assert {nav2_rules.interpret_value(value, {}) for value in range(100)} == {FREE}
    assert nav2_rules.interpret_value(99, local) > 250
    assert nav2_rules.interpret_value(101, local) == LETHAL
    assert nav2_rules.interpret_value(-2, local) == LETHAL


def test_unknown_must_not_beat_lethal(local):
    grid = Grid(np.full((20, 20), -1, np.int8), -0.5, -0.5, 0.05)
    master = Costmap(1.0, 0.05, default=LETHAL)
    nav2_rules.static_layer(master, grid, dict(local, use_maximum=True))
    assert (master.costs == LETHAL).all()
    nav2_rules.static_layer(master, grid,
                            dict(local, use_maximum=True, track_unknown_space=True))
    assert (master.costs == nav2_rules.NO_INFORMATION).all()


def test_the_semantic_grid_comes_first_or_it_wipes_obstacles_out(local):
    assert local['plugins'][0] == 'semantic_grid' and not local['use_maximum']
    free = Grid(np.zeros((20, 20), np.int8), -0.5, -0.5, 0.05)
    master = Costmap(1.0, 0.05, default=LETHAL)
    nav2_rules.static_layer(master, free, local)
    assert (master.costs == FREE).all()


def test_the_rolling_costmap_fits_into_the_grid_wherever_the_robot_stands(local):
    settings = CostmapSettings().grid
    assert local['width'] == local['height']
    assert local['width'] + 2 * 0.75 * settings.block <= settings.size
    assert local['resolution'] == settings.resolution
    stage = CostmapPipeline(CostmapSettings(), COSTS)
    random = np.random.RandomState(0)
    x = y = 0.0
    for step in range(60):
        x, y = x + random.uniform(-0.4, 0.6), y + random.uniform(-0.4, 0.4)
        pose = planar_pose(x, y, random.uniform(-3, 3))
        stage.process('front', CameraView(np.full((240, 320), 3, np.uint8), None, CAMERA,
                                          CameraPose(pose, MOUNT), 10.0 + 0.1 * step))
        geometry = stage.occupancy(10.0 + 0.1 * step).geometry
        for origin, count, place in ((geometry.origin_x, geometry.width, x),
                                     (geometry.origin_y, geometry.height, y)):
            assert origin <= place - 0.5 * local['width']
            assert origin + count * geometry.resolution >= place + 0.5 * local['width']


def test_when_the_grid_moves_every_cost_keeps_its_place_in_odom(local):
    poses = [planar_pose(0.1 * step, 0.0, 0.0) for step in range(30)]
    stage, _, now = drive(poses)
    grid = grid_of(stage, now)
    assert grid.origin_x > -4.5
    master = Costmap(local['width'], local['resolution'], center=(2.9, 0.0))
    nav2_rules.static_layer(master, grid, local)
    assert master.cost_at(2.0, 0.6) == 127
    assert LETHAL in [master.cost_at(x, -0.6) for x in (2.75, 2.8, 2.85)]


def test_a_grid_in_the_robots_frame_would_smear_and_ours_does_not(local):
    stage, _, now = drive([planar_pose(0.0, 0.0, 0.0)] * 3)
    still, turned = Costmap(8.0, 0.05), Costmap(8.0, 0.05)
    grid = grid_of(stage, now)
    nav2_rules.static_layer(still, grid, local)
    # The robot has turned by 20 degrees when Nav2 gets round to the grid: for a grid in odom
    # the newest transform is the same as before.
    nav2_rules.static_layer(turned, grid, local, (0.0, 0.0, -np.radians(20.0)))
    lethal_still = np.argwhere(still.costs == LETHAL)
    lethal_turned = np.argwhere(turned.costs == LETHAL)
    assert np.abs(lethal_still.mean(axis=0) - lethal_turned.mean(axis=0)).max() > 10
    again = Costmap(8.0, 0.05)
    nav2_rules.static_layer(again, grid, local, (0.0, 0.0, 0.0))
    assert (again.costs == still.costs).all()


def test_grids_are_well_formed(local):
    stage, _, now = drive([planar_pose(0.0, 0.0, 0.0)])
    nav2_rules.validate_grid(grid_of(stage, now))
    with pytest.raises(Nav2Error):
        nav2_rules.validate_grid(Grid(np.zeros((0, 0), np.int8), 0.0, 0.0, 0.05))


@pytest.mark.parametrize('name', ['nav2_filters', 'nav2_obstacle_layer',
                                  'nav2_semantic_segmentation_layer'])
def test_clouds_mark_the_box_and_clear_the_ground_before_it(project_root, name):
    layer = costmap_of(project_root, name)['semantic_obstacles']
    pose = planar_pose(0.3, -0.2, 0.2)
    _, result, _ = drive([pose])
    master = Costmap(8.0, 0.05)
    obstacles = nav2_rules.ObstacleLayer(layer, master)
    # An old mark on the path, and one where the camera does not see.
    for x, y in ((2.0, -0.1), (-1.0, 0.0), (0.6, -0.2)):
        mx, my = master.cell_of(x, y)
        obstacles.own.costs[my, mx] = LETHAL
    obstacles.receive('sem_obstacle', cloud_in_odom(result.obstacle_points, pose), pose[:3, 3],
                      10.0)
    obstacles.receive('sem_ground', cloud_in_odom(result.ground_points, pose), pose[:3, 3], 10.0)
    obstacles.update(master)
    near_box = [master.cost_at(x, y) for x in np.arange(2.7, 2.95, 0.05)
                for y in np.arange(-0.75, -0.4, 0.05)]
    assert near_box.count(LETHAL) >= 4
    assert master.cost_at(2.0, -0.1) == FREE
    assert master.cost_at(-1.0, 0.0) == LETHAL
    # The blind strip before the robot is not cleared.
    assert master.cost_at(0.6, -0.2) == LETHAL


def test_the_default_height_gates_would_drop_every_point(project_root):
    layer = snippet(project_root, 'nav2_obstacle_layer')['global_costmap']['global_costmap'][
        'ros__parameters']['semantic_obstacles']
    pose = planar_pose(0.0, 0.0, 0.0)
    _, result, _ = drive([pose])
    points = cloud_in_odom(result.obstacle_points, pose)
    careless = dict(layer, sem_obstacle={key: value for key, value in layer[
        'sem_obstacle'].items() if 'height' not in key})
    for parameters, marks in ((layer, True), (careless, False)):
        master = Costmap(8.0, 0.05)
        obstacles = nav2_rules.ObstacleLayer(parameters, master)
        obstacles.receive('sem_obstacle', points, pose[:3, 3], 10.0)
        obstacles.update(master)
        assert (master.costs == LETHAL).any() == marks


def test_a_gone_obstacle_stays_marked_until_an_empty_cloud_comes(project_root):
    layer = costmap_of(project_root, 'nav2_obstacle_layer')['semantic_obstacles']
    pose = planar_pose(0.0, 0.0, 0.0)
    _, before, _ = drive([pose])
    _, after, _ = drive([pose], SCENE._replace(boxes=()))
    assert len(after.obstacle_points) == 0
    obstacles = nav2_rules.ObstacleLayer(layer, Costmap(8.0, 0.05))
    obstacles.receive('sem_obstacle', cloud_in_odom(before.obstacle_points, pose), pose[:3, 3],
                      10.0)
    obstacles.receive('sem_ground', cloud_in_odom(after.ground_points, pose), pose[:3, 3], 10.1)
    marked = Costmap(8.0, 0.05)
    obstacles.update(marked)
    assert (marked.costs == LETHAL).any()
    obstacles.receive('sem_obstacle', cloud_in_odom(after.obstacle_points, pose), pose[:3, 3],
                      10.1)
    cleared = Costmap(8.0, 0.05)
    obstacles.update(cleared)
    assert not (cleared.costs == LETHAL).any()


def test_clouds_without_fields_abort_nav2_and_ours_keep_theirs():
    with pytest.raises(Nav2Error, match='Field x does not exist'):
        nav2_rules.read_cloud([], b'', 0, 0)
    assert nav2_rules.read_cloud(FIELDS, b'', POINT_STEP, 0).shape == (0, 3)


def test_clouds_in_odom_would_clear_from_odoms_origin(project_root):
    # The robot has come 3 m from where odom began. Its cloud, if it were in odom with an empty
    # sensor_frame, would clear the obstacle behind the robot's back.
    layer = costmap_of(project_root, 'nav2_obstacle_layer')['semantic_obstacles']
    pose = planar_pose(3.0, 0.5, 0.0)
    _, result, _ = drive([pose], SCENE._replace(boxes=()))
    points = cloud_in_odom(result.ground_points, pose)
    for origin, kept in ((pose[:3, 3], True), (np.zeros(3), False)):
        master = Costmap(8.0, 0.05, center=(3.0, 0.5))
        wide = dict(layer, sem_ground=dict(layer['sem_ground'], raytrace_max_range=20.0))
        obstacles = nav2_rules.ObstacleLayer(wide, master)
        columns = slice(*[master.cell_of(x, 0.5)[0] for x in (1.0, 1.1)])
        obstacles.own.costs[:, columns] = LETHAL
        obstacles.receive('sem_ground', points, origin, 10.0)
        obstacles.update(master)
        assert (master.costs[:, columns] == LETHAL).all() == kept


@pytest.mark.parametrize('name', ['nav2_local_costmap', 'nav2_obstacle_layer', 'nav2_filters',
                                  'nav2_semantic_segmentation_layer', 'nav2_merged',
                                  'nav2_voxel_layer'])
def test_every_costmap_snippet_notices_a_dead_camera(project_root, name):
    parameters = costmap_of(project_root, name)
    plugin = 'semantic_voxels' if name == 'nav2_voxel_layer' else 'semantic_obstacles'
    assert plugin in parameters['plugins']
    layer = parameters[plugin]
    obstacles = nav2_rules.ObstacleLayer(layer, Costmap(8.0, 0.05))
    assert not obstacles.is_current(10.0)
    for source in layer['observation_sources'].split():
        assert isinstance(layer[source]['expected_update_rate'], float)
        obstacles.receive(source, np.zeros((0, 3)), np.zeros(3), 10.0)
    assert obstacles.is_current(11.0)
    assert not obstacles.is_current(12.0)


def test_the_collision_monitor_sees_the_points_and_stops_without_them(project_root):
    monitor = snippet(project_root, 'nav2_collision_monitor')['collision_monitor'][
        'ros__parameters']
    _, result, _ = drive([planar_pose(0.0, 0.0, 0.0)])
    points = nav2_rules.read_cloud(FIELDS, result.obstacle_points.tobytes(), POINT_STEP,
                                   len(result.obstacle_points))
    source = monitor['semantic']
    assert len(points) > 10
    assert len(nav2_node_rules.collision_monitor(points, source, 10.0, 10.5)) == len(points)
    on_the_ground = points * [1.0, 1.0, 0.0]
    assert not nav2_node_rules.collision_monitor(on_the_ground, source, 10.0, 10.5)
    assert nav2_node_rules.collision_monitor(points, source, 10.0, 13.0) is None
    assert nav2_node_rules.collision_monitor(np.zeros((0, 3)), source, 10.0, 10.5) == []


def test_obstacle_points_pass_every_height_gate_for_all_settings_that_are_advised(project_root):
    monitor = snippet(project_root, 'nav2_collision_monitor')['collision_monitor'][
        'ros__parameters']['semantic']
    z = ProjectionSettings().obstacle_z
    assert monitor['min_height'] < z < monitor['max_height']


def test_the_keepout_mask_closes_grass_and_leaves_the_path(project_root):
    content = snippet(project_root, 'nav2_filters')
    info = content['keepout_filter_info_server']['ros__parameters']
    stage, _, now = drive([planar_pose(0.0, 0.0, 0.0)] * 3)
    occupancy = stage.occupancy(now)
    mask = keepout_mask(occupancy.values, occupancy.geometry, from_cost=50)
    master = Costmap(8.0, 0.05, default=10)
    nav2_rules.keepout_filter(master, Grid(
        mask.values, mask.geometry.origin_x, mask.geometry.origin_y, mask.geometry.resolution),
        info)
    assert master.cost_at(2.0, 0.6) == LETHAL
    assert master.cost_at(2.0, 0.0) == 10
    # Unknown is skipped, not opened.
    assert master.cost_at(-2.0, 0.0) == 10
    with pytest.raises(Nav2Error):
        nav2_rules.keepout_filter(master, Grid(mask.values, 0.0, 0.0, 0.05),
                                  dict(info, base=100.0, multiplier=-1.0))


def test_the_speed_mask_slows_on_grass_and_never_means_no_limit_by_accident(project_root):
    info = snippet(project_root, 'nav2_filters')['speed_filter_info_server']['ros__parameters']
    stage, _, now = drive([planar_pose(0.0, 0.0, 0.0)] * 3)
    occupancy = stage.occupancy(now)
    mask = speed_mask(occupancy.values, occupancy.geometry, slowest=0.3)
    grid = Grid(mask.values, mask.geometry.origin_x, mask.geometry.origin_y,
                mask.geometry.resolution)
    assert nav2_node_rules.speed_filter(grid, info, 2.0, 0.0) is None
    assert nav2_node_rules.speed_filter(grid, info, 2.0, 0.6) == pytest.approx(60.0)
    assert nav2_node_rules.speed_filter(grid, info, -2.0, 0.0) is None
    # Over all values: a higher cost never allows a higher speed, and the slowest still moves.
    values = np.arange(-1, 101, dtype=np.int8)[None]
    geometry = GridGeometry(0.0, 0.0, 1.0, 102, 1)
    for slowest in (0.01, 0.3, 0.9):
        every = Grid(speed_mask(values, geometry, slowest).values, 0.0, 0.0, 1.0)
        limits = [nav2_node_rules.speed_filter(every, info, x + 0.5, 0.5) for x in range(1, 102)]
        speeds = [100.0 if limit is None else limit for limit in limits]
        assert speeds == sorted(speeds, reverse=True)
        assert speeds[-1] == pytest.approx(100.0 * slowest, abs=5.0) and speeds[-1] >= 1.0


def test_the_semantic_layer_reads_the_bundle_of_one_ordinary_camera(project_root):
    layer = snippet(project_root, 'nav2_semantic_segmentation_layer')['local_costmap'][
        'local_costmap']['ros__parameters']['semantic_segmentation_layer']
    grouping = load_grouping('outdoor', ADE20K)
    label_info = dict(enumerate(grouping.table.names))
    assert 255 not in label_info
    pose = planar_pose(0.2, 0.0, 0.1)
    stage = CostmapPipeline(CostmapSettings(category_width=160), COSTS)
    view = CameraView(labels_at(pose), None, CAMERA, CameraPose(pose, MOUNT), 10.0)
    bundle = stage.semantic_layer('front', view, grouping.lookup)
    master = Costmap(8.0, 0.05)
    nav2_rules.semantic_layer(master, bundle, label_info, layer['cam'], pose.dot(MOUNT))
    assert master.cost_at(2.0, -0.2) == 0
    around = [master.cost_at(x, y) for x in (1.95, 2.0, 2.05) for y in (0.5, 0.55, 0.6)]
    assert around.count(layer['cam']['caution']['max_cost']) >= 3
    lethal = np.argwhere(master.costs == LETHAL)
    xs, ys = lethal[:, 1] * 0.05 - 4.0, lethal[:, 0] * 0.05 - 4.0
    assert len(lethal) >= 4
    # The foot alone: a cloud of all its pixels would spread the box over the ground behind it.
    assert np.abs(xs - 3.0).max() < 0.35 and np.abs(ys + 0.6).max() < 0.3
    with pytest.raises(Nav2Error, match='CRITICAL ERROR'):
        nav2_rules.semantic_layer(master, bundle, dict(enumerate(ADE20K.names)), layer['cam'],
                                  pose.dot(MOUNT))


NAMES = ['nav2_local_costmap', 'nav2_obstacle_layer', 'nav2_filters',
         'nav2_semantic_segmentation_layer', 'nav2_collision_monitor', 'nav2_merged']


def test_a_source_that_neither_marks_nor_clears_is_not_watched(local):
    source = dict(local['semantic_obstacles']['sem_ground'], clearing=False)
    blind = nav2_rules.ObstacleLayer(dict(local['semantic_obstacles'], sem_ground=source),
                                     Costmap(8.0, 0.05))
    assert blind.is_current(10.0)
    watched = nav2_rules.ObstacleLayer(local['semantic_obstacles'], Costmap(8.0, 0.05))
    assert not watched.is_current(10.0)


@pytest.mark.parametrize('name', ['nav2_local_costmap', 'nav2_merged'])
def test_the_local_costmap_forgets_what_the_node_has_forgotten(project_root, name):
    # A person stands ahead and is gone; the robot has turned away meanwhile.
    parameters = costmap_of(project_root, name)
    person = SCENE._replace(boxes=(Box(2.0, 0.0, 0.3, 0.4, ADE20K.id_of('person')),))
    poses = [planar_pose(0.0, 0.0, 0.0)] * 3
    stage, result, now = drive(poses, person)
    layer = nav2_rules.ObstacleLayer(parameters['semantic_obstacles'], Costmap(8.0, 0.05))
    for source in parameters['semantic_obstacles']['observation_sources'].split():
        points = {'sem_obstacle': result.obstacle_points, 'sem_ground': result.ground_points}
        layer.receive(source, cloud_in_odom(points[source], poses[0]), np.zeros(3), now)
    lethal = []
    for later in (0.0, 1.4, 3.0):
        master = Costmap(8.0, 0.05)
        nav2_rules.static_layer(master, grid_of(stage, now + later), parameters)
        layer.update(master)
        lethal.append(int((master.costs == LETHAL).sum()))
    assert lethal[0] >= 4 and lethal[1] == lethal[0] and lethal[2] == 0


@pytest.mark.parametrize('name', ['nav2_filters', 'nav2_merged'])
def test_the_speed_limit_arrives_where_the_controller_listens(project_root, name):
    topic = costmap_of(project_root, name)['semantic_speed']['speed_limit_topic']
    assert nav2_node_rules.resolved_topic(topic) == '/speed_limit'
    assert nav2_node_rules.resolved_topic('speed_limit') == '/local_costmap/speed_limit'


@pytest.mark.parametrize('name', ['nav2_filters', 'nav2_merged', 'nav2_local_costmap'])
def test_no_thin_mark_of_a_mask_falls_between_the_costmaps_cells(project_root, name):
    info = snippet(project_root, 'nav2_filters')['keepout_filter_info_server']['ros__parameters']
    values = np.zeros((40, 40), np.int8)
    values[::2, 6] = 100
    mask = Grid(values, -1.0, -1.0, CostmapSettings().grid.resolution)
    found = {}
    for resolution in (costmap_of(project_root, name)['resolution'], 0.1):
        master = Costmap(2.0, resolution)
        nav2_rules.keepout_filter(master, mask, info)
        found[resolution] = int((master.costs == LETHAL).sum())
    # With Nav2's default they are looked at in one row of two and one column of two.
    assert found == {0.05: 20, 0.1: 0}


@pytest.mark.parametrize('name', ['nav2_filters', 'nav2_obstacle_layer',
                                  'nav2_semantic_segmentation_layer'])
def test_layers_mark_only_where_a_later_ray_clears(project_root, name):
    layer = costmap_of(project_root, name)['semantic_obstacles']
    # Whole cells: Nav2 counts both ranges in cells.
    assert layer['sem_ground']['raytrace_min_range'] <= (
        layer['sem_obstacle']['obstacle_min_range'] - 0.05 + 1e-9)
    pose = planar_pose(0.0, 0.0, 0.0)
    mount = mount_pose(0.8, 0.35)
    obstacles = nav2_rules.ObstacleLayer(layer, Costmap(8.0, 0.05))
    for label, stays in (('person', True), ('path', False)):
        labels = np.full((240, 320), ADE20K.id_of(label), np.uint8)
        result = CostmapPipeline(CostmapSettings(), COSTS).process('front', CameraView(
            labels, None, CAMERA, CameraPose(pose, mount), 10.0))
        obstacles.receive('sem_obstacle', cloud_in_odom(result.obstacle_points, pose),
                          np.zeros(3), 10.0)
        obstacles.receive('sem_ground', cloud_in_odom(result.ground_points, pose), np.zeros(3),
                          10.0)
        master = Costmap(8.0, 0.05)
        obstacles.update(master)
        # At the picture's sides the outermost bins have no ray on both sides of a cell.
        ahead = [master.cost_at(x, y) for x in np.arange(0.3, 4.0, 0.05)
                 for y in np.arange(-0.6, 0.6, 0.05) if abs(y) < 0.6 * x]
        assert (LETHAL in ahead) == stays


def test_the_merged_file_holds_the_pieces_as_they_are(project_root):
    merged = snippet(project_root, 'nav2_merged')
    filters = snippet(project_root, 'nav2_filters')
    for server in ('keepout_filter_info_server', 'speed_filter_info_server'):
        assert merged[server] == filters[server]
    assert merged['collision_monitor'] == snippet(
        project_root, 'nav2_collision_monitor')['collision_monitor']
    whole = costmap_of(project_root, 'nav2_merged')
    parts = dict(costmap_of(project_root, 'nav2_local_costmap'))
    for name in ['filters'] + whole['filters']:
        parts[name] = costmap_of(project_root, 'nav2_filters')[name]
    assert whole == parts
    assert [name for name in whole['plugins'] + whole['filters'] if name not in whole] == []


def test_the_merged_costmap_is_graded_closed_slowed_and_watched_at_once(project_root):
    merged = snippet(project_root, 'nav2_merged')
    parameters = costmap_of(project_root, 'nav2_merged')
    stage, result, now = drive([planar_pose(0.0, 0.0, 0.0)] * 3)
    master = Costmap(parameters['width'], parameters['resolution'])
    nav2_rules.static_layer(master, grid_of(stage, now), parameters)
    layer = nav2_rules.ObstacleLayer(parameters['semantic_obstacles'], master)
    layer.receive('sem_ground', cloud_in_odom(result.ground_points, np.eye(4)), np.zeros(3), now)
    before = master.costs.copy()
    layer.update(master)
    assert (master.costs == before).all()
    assert layer.is_current(now + 1.0) and not layer.is_current(now + 2.0)
    occupancy = stage.occupancy(now)
    for mask, rule in ((keepout_mask(occupancy.values, occupancy.geometry, from_cost=50),
                        'keepout'), (speed_mask(occupancy.values, occupancy.geometry, 0.3),
                                     'speed')):
        grid = Grid(mask.values, mask.geometry.origin_x, mask.geometry.origin_y,
                    mask.geometry.resolution)
        info = merged[f'{rule}_filter_info_server']['ros__parameters']
        if rule == 'keepout':
            nav2_rules.keepout_filter(master, grid, info)
        else:
            assert nav2_node_rules.speed_filter(grid, info, 2.0, 0.6) == pytest.approx(60.0)
    assert master.cost_at(2.0, 0.6) == LETHAL
    assert master.cost_at(2.0, 0.0) == int(5 / 100 * 254)


def lines_of(project_root, name):
    with open(f'{project_root}/config/{name}.yaml', encoding='utf-8') as stream:
        return stream.read().splitlines()


@pytest.mark.parametrize('name', NAMES)
def test_every_value_in_every_snippet_is_explained(project_root, name):
    lines = lines_of(project_root, name)
    assert lines[0].startswith('# Nav2')
    assert 'docs/nav2.md' in ' '.join(lines) and 'watchdog' in ' '.join(lines)
    bare = [line for above, line in zip(lines, lines[1:])
            if not line.lstrip().startswith('#') and not line.endswith(':')
            and not above.lstrip().startswith('# ')]
    assert not bare


def leaves(content):
    for name, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield name, value


@pytest.mark.parametrize('name', NAMES)
def test_every_parameter_is_one_that_nav2_declares_with_that_type(project_root, name):
    found = list(leaves(snippet(project_root, name)))
    assert len(found) > 10
    assert not [leaf for leaf in found if not nav2_node_rules.is_declared(*leaf)]
    # Whole numbers for doubles, the usual slip, are noticed.
    assert not nav2_node_rules.is_declared('expected_update_rate', 1)
    assert not nav2_node_rules.is_declared('expected_update_rte', 1.5)


@pytest.mark.parametrize('name', NAMES)
def test_every_topic_is_one_of_the_nodes_or_of_a_server_beside_it(project_root, name):
    outputs = ['costmap', 'keepout_mask', 'speed_mask', 'obstacle_points', 'ground_points',
               'category_mask', 'category_confidence', 'category_label_info', 'points']
    infos = ['/segformer/keepout_info', '/segformer/speed_info']
    with open(f'{project_root}/docs/topics.md', encoding='utf-8') as stream:
        text = stream.read()
    for output in outputs:
        assert f'| `~/{output}` |' in text, output
    allowed = ['/segformer/' + output for output in outputs] + infos + ['/speed_limit']
    used = [value for key, value in leaves(snippet(project_root, name))
            if isinstance(value, str) and value.startswith('/')]
    assert used and not [topic for topic in used if topic not in allowed]


# A table top 0.6 m up, thinner than the flat-ground rule can place, and the ground below it.
TABLE = Scene(ADE20K.id_of('floor'), (), (
    Box(2.4, 0.0, 0.6, 0.8, ADE20K.id_of('table'), height=0.05, bottom=0.6),
    Box(4.2, 0.0, 0.2, 9.0, ADE20K.id_of('wall'), height=2.5)), ADE20K.id_of('ceiling'))


def labelled_cloud_in_odom(scene, pose, every=3):
    """Return what Nav2 reads of the labelled points, thinned, in odom."""
    settings = CostmapSettings(category_width=320 // every)
    view = scene.render(PINHOLE, pose.dot(MOUNT))
    stage = CostmapPipeline(settings, load_cost_table('indoor', ADE20K))
    cloud = stage.labelled_points('front', CameraView(
        view.labels, None, CAMERA, CameraPose(pose, MOUNT), 10.0, view.depth.astype(np.float32)),
        np.zeros((240, 320, 3), np.uint8))
    points = nav2_rules.read_cloud([tuple(field) for field in LABELLED_FIELDS], cloud.tobytes(),
                                   LABELLED_STEP, cloud.size)
    odom_from_camera = pose.dot(MOUNT)
    return points.dot(odom_from_camera[:3, :3].T) + odom_from_camera[:3, 3], odom_from_camera


@pytest.mark.once
def test_the_voxel_layer_marks_a_table_top_where_it_hangs_and_clears_it_when_it_is_gone(
        project_root):
    layer = costmap_of(project_root, 'nav2_voxel_layer')['semantic_voxels']
    pose = planar_pose(0.3, -0.2, 0.1)
    voxels = VoxelLayer(layer, Costmap(10.0, 0.05))
    sources = layer['observation_sources'].split()
    points, camera = labelled_cloud_in_odom(TABLE, pose)
    master = Costmap(10.0, 0.05)
    for source in sources:
        voxels.receive(source, points, camera[:3, 3], 10.0)
    voxels.update(master)
    # One point in nine is used: two rows of them lie on the top. The floor before it is free.
    across = np.arange(2.125, 2.7, 0.05)
    assert [master.cost_at(x, 0.0) for x in across].count(LETHAL) >= 2
    assert {master.cost_at(x, 0.0) for x in np.arange(1.2, 2.05, 0.05)} == {FREE}
    gone = TABLE._replace(boxes=TABLE.boxes[1:])
    points, camera = labelled_cloud_in_odom(gone, pose)
    later = Costmap(10.0, 0.05)
    for source in sources:
        voxels.receive(source, points, camera[:3, 3], 10.1)
    voxels.update(later)
    assert {later.cost_at(x, 0.0) for x in across} == {FREE}
    assert LETHAL in [later.cost_at(x, 0.0) for x in (4.05, 4.1, 4.15)]


@pytest.mark.once
def test_voxels_are_never_cleared_by_a_sensor_below_or_above_their_grid(project_root):
    layer = costmap_of(project_root, 'nav2_voxel_layer')['semantic_voxels']
    pose = planar_pose(0.0, 0.0, 0.0)
    points, camera = labelled_cloud_in_odom(TABLE._replace(boxes=TABLE.boxes[1:]), pose)
    low, high = layer['origin_z'], layer['origin_z'] + layer['z_voxels'] * layer['z_resolution']
    assert low < camera[2, 3] < high
    for z, cleared in ((camera[2, 3], True), (low - 0.01, False), (high + 0.01, False)):
        voxels = VoxelLayer(layer, Costmap(10.0, 0.05))
        voxels.marks = {(*voxels.own.cell_of(2.0, 0.0), 0)}
        voxels.receive('sem_rays', points, (*camera[:2, 3], z), 10.0)
        master = Costmap(10.0, 0.05)
        voxels.update(master)
        assert (master.cost_at(2.0, 0.0) == FREE) == cleared
